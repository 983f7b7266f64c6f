/* Change notifications: one thread calls everybody who registered. */
#include "standin.h"

typedef void(WINAPI *callback)(void *context, void *row, MIB_NOTIFICATION_TYPE type);

static struct {
    callback call;
    void *context;
} registered[16];
static CRITICAL_SECTION lock;
static volatile LONG started;

static DWORD CALLBACK watch(void *unused)
{
    for (;;) {
        if (!linux_wait_change(1000))
            continue;
        EnterCriticalSection(&lock);
        for (int i = 0; i < 16; i++)
            if (registered[i].call)
                registered[i].call(registered[i].context, NULL, MibParameterNotification);
        LeaveCriticalSection(&lock);
    }
    return 0;
}

static DWORD add(callback call, void *context, HANDLE *handle)
{
    if (!call || !handle)
        return violation("notification: no callback or no place for the handle");
    if (!InterlockedExchange(&started, 1)) {
        InitializeCriticalSection(&lock);
        CloseHandle(CreateThread(NULL, 0, watch, NULL, 0, NULL));
    }
    EnterCriticalSection(&lock);
    for (ULONG_PTR i = 0; i < 16; i++)
        if (!registered[i].call) {
            registered[i].call = call;
            registered[i].context = context;
            *handle = (HANDLE)(i + 1);
            LeaveCriticalSection(&lock);
            return NO_ERROR;
        }
    LeaveCriticalSection(&lock);
    return ERROR_NOT_ENOUGH_MEMORY;
}

DWORD WINAPI xNotifyIpInterfaceChange(ADDRESS_FAMILY f, void *call, void *context, BOOLEAN initial, HANDLE *handle)
{
    return add((callback)call, context, handle);
}

DWORD WINAPI xNotifyUnicastIpAddressChange(ADDRESS_FAMILY f, void *call, void *context, BOOLEAN initial, HANDLE *handle)
{
    return add((callback)call, context, handle);
}

DWORD WINAPI xNotifyRouteChange2(ADDRESS_FAMILY f, void *call, void *context, BOOLEAN initial, HANDLE *handle)
{
    return add((callback)call, context, handle);
}

DWORD WINAPI xCancelMibChangeNotify2(HANDLE handle)
{
    ULONG_PTR i = (ULONG_PTR)handle - 1;
    if (i >= 16)
        return violation("CancelMibChangeNotify2: not a handle");
    EnterCriticalSection(&lock);
    registered[i].call = NULL;
    LeaveCriticalSection(&lock);
    return NO_ERROR;
}
