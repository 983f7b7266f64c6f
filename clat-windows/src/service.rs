//! The service: how it is registered, and how it runs.

use crate::folder::{self, FolderError};
use crate::sys::service as sys;
use crate::{eventlog, win32};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use windows_service::service::{
    PowerEventParam, Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl,
    ServiceControlAccept, ServiceErrorControl, ServiceExitCode, ServiceFailureActions,
    ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

/// Its name for `sc` and `net`.
pub const NAME: &str = "clat";
/// Its name in the list of services.
pub const DISPLAY_NAME: &str = "CLAT (464XLAT)";
/// What it does.
pub const DESCRIPTION: &str =
    "Lets IPv4-only programs work on IPv6-only networks that have a NAT64 (RFC 6877).";
/// How the service manager starts the program.
pub const ARGUMENTS: [&str; 2] = ["service", "run"];

/// All that the service needs beyond the rights of its account: passing through folders, and the adapter's driver.
const PRIVILEGES: [&str; 2] = ["SeChangeNotifyPrivilege", "SeLoadDriverPrivilege"];

/// A stop takes less; after this long the manager gives up on us.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Why a command on the service failed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The program lies where users can replace it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no such service.
    #[error("the service is not installed: `clat-cli service install`")]
    NotInstalled,
    /// It is there already.
    #[error("the service is installed already: `clat-cli service uninstall` first")]
    Installed,
    /// Only administrators may do this.
    #[error("only administrators may do this: open the command prompt as administrator")]
    Denied,
    /// It did not do what it was told in time.
    #[error("the service does not {0} in time; the event log says why")]
    Slow(&'static str),
    /// Another failure.
    #[error("service manager: {0}")]
    System(std::io::Error),
}

impl From<windows_service::Error> for ServiceError {
    fn from(e: windows_service::Error) -> Self {
        let windows_service::Error::Winapi(e) = e else { return Self::System(std::io::Error::other(e)) };
        match e.raw_os_error().unwrap_or_default().cast_unsigned() {
            win32::SERVICE_DOES_NOT_EXIST => Self::NotInstalled,
            win32::SERVICE_EXISTS => Self::Installed,
            win32::ACCESS_DENIED => Self::Denied,
            _ => Self::System(e),
        }
    }
}

fn open(access: ServiceAccess) -> Result<Service, ServiceError> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
    Ok(manager.open_service(NAME, access)?)
}

/// Registers the service with this program. Returns what this Windows does not know of what was asked.
///
/// # Errors
/// [`ServiceError`]
pub fn install(program: &Path) -> Result<Vec<String>, ServiceError> {
    folder::check_program(program)?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program.to_owned(),
        launch_arguments: ARGUMENTS.map(OsString::from).to_vec(),
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    };
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CREATE_SERVICE)?;
    let service = manager.create_service(&info, ServiceAccess::ALL_ACCESS)?;
    let mut notes = configure(&service);
    if let Err(e) = eventlog::register() {
        notes.push(format!("event log: {e}"));
    }
    Ok(notes)
}

/// What an installer cannot say: recovery, delayed start, privileges. Returns what did not work.
fn configure(service: &Service) -> Vec<String> {
    let wait = |seconds| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(seconds),
    };
    let recovery = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(24 * 3600)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![wait(1), wait(5), wait(60)]),
    };
    let tried = [
        ("description", service.set_description(DESCRIPTION)),
        ("recovery actions", service.update_failure_actions(recovery)),
        ("recovery after an error exit", service.set_failure_actions_on_non_crash_failures(true)),
        ("delayed start", service.set_delayed_auto_start(true)),
    ];
    let mut notes: Vec<String> = tried
        .into_iter()
        .filter_map(|(what, done)| done.err().map(|e| format!("{what}: {}", reason(&e))))
        .collect();
    if let Err(e) = sys::require_privileges(service, &PRIVILEGES) {
        notes.push(format!("privileges: {e}"));
    }
    notes
}

fn reason(e: &windows_service::Error) -> String {
    // The crate's own words hide the system's.
    if let windows_service::Error::Winapi(e) = e { e.to_string() } else { e.to_string() }
}

/// Stops and removes the service.
///
/// # Errors
/// [`ServiceError`]
pub fn uninstall() -> Result<(), ServiceError> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE)?;
    if service.query_status()?.current_state != ServiceState::Stopped {
        stop_and_wait(&service)?;
    }
    service.delete()?;
    // The service is gone, which is what counts.
    let _ = eventlog::unregister();
    Ok(())
}

/// Starts the service and waits until it runs.
///
/// # Errors
/// [`ServiceError`]
pub fn start() -> Result<(), ServiceError> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::START)?;
    if service.query_status()?.current_state == ServiceState::Running {
        return Ok(());
    }
    service.start::<&str>(&[])?;
    wait_for(&service, ServiceState::Running, "start")
}

/// Stops the service and waits until it has.
///
/// # Errors
/// [`ServiceError`]
pub fn stop() -> Result<(), ServiceError> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::STOP)?;
    if service.query_status()?.current_state == ServiceState::Stopped {
        return Ok(());
    }
    stop_and_wait(&service)
}

/// Whether the service is registered, and what it is doing.
#[must_use]
pub fn state() -> Option<String> {
    let status = open(ServiceAccess::QUERY_STATUS).ok()?.query_status().ok()?;
    Some(format!("{:?}", status.current_state).to_lowercase())
}

fn stop_and_wait(service: &Service) -> Result<(), ServiceError> {
    service.stop()?;
    wait_for(service, ServiceState::Stopped, "stop")
}

fn wait_for(service: &Service, state: ServiceState, what: &'static str) -> Result<(), ServiceError> {
    let end = Instant::now() + 2 * STOP_LIMIT;
    while service.query_status()?.current_state != state {
        if Instant::now() > end {
            return Err(ServiceError::Slow(what));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What the system wants of a running service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// End, within five seconds.
    Stop,
    /// Read the configuration again (`sc control clat paramchange`).
    Reload,
    /// The machine is about to sleep.
    Suspend,
    /// It woke up.
    Resume,
}

/// The handle of the running service, where this process is one.
static STATUS: OnceLock<Mutex<ServiceStatusHandle>> = OnceLock::new();

/// Runs `main` as the service; returns when it has stopped.
///
/// # Errors
/// Not started by the service manager.
pub fn run(main: fn()) -> Result<(), ServiceError> {
    Ok(sys::dispatch(NAME, main)?)
}

/// To be called first in the service's `main`: from here on `control` hears what the system wants.
///
/// # Errors
/// What the service manager said.
pub fn begin(control: impl Fn(Control) + Send + 'static) -> Result<(), ServiceError> {
    #[allow(clippy::wildcard_enum_match_arm)] // what is not for us is left to the system
    let handle = service_control_handler::register(NAME, move |event| match event {
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            report(ServiceState::StopPending, 0);
            control(Control::Stop);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::ParamChange => {
            control(Control::Reload);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::PowerEvent(PowerEventParam::Suspend) => {
            control(Control::Suspend);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::PowerEvent(PowerEventParam::ResumeAutomatic | PowerEventParam::ResumeSuspend) => {
            control(Control::Resume);
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate | ServiceControl::PowerEvent(_) => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    })?;
    // One service a process.
    let _ = STATUS.set(Mutex::new(handle));
    report(ServiceState::StartPending, 0);
    if let Ok(service) =
        open(ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG | ServiceAccess::START)
    {
        // An installer has registered it plainly. What does not work was said at installation.
        for note in configure(&service) {
            tracing::debug!("service settings: {note}");
        }
    }
    Ok(())
}

/// Whether this process runs as the service.
#[must_use]
pub fn is_service() -> bool {
    STATUS.get().is_some()
}

/// Tells the manager that the service runs.
pub fn running() {
    report(ServiceState::Running, 0);
}

/// Tells the manager that the end begins.
pub fn stopping() {
    report(ServiceState::StopPending, 0);
}

/// Tells the manager that the service has stopped; a code other than zero has it started again.
pub fn stopped(code: u32) {
    report(ServiceState::Stopped, code);
}

fn report(state: ServiceState, code: u32) {
    let Some(handle) = STATUS.get() else { return };
    let accepted = if state == ServiceState::Running {
        ServiceControlAccept::STOP
            | ServiceControlAccept::SHUTDOWN
            | ServiceControlAccept::PARAM_CHANGE
            | ServiceControlAccept::POWER_EVENT
    } else {
        ServiceControlAccept::empty()
    };
    let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    let status = ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code: ServiceExitCode::Win32(code),
        checkpoint: 0,
        wait_hint: if pending { STOP_LIMIT } else { Duration::ZERO },
        process_id: None,
    };
    if let Err(e) = handle.lock().unwrap_or_else(PoisonError::into_inner).set_service_status(status) {
        tracing::debug!("service status: {e}");
    }
}
