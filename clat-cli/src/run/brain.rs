//! Who decides: the engine, or nobody where the host is configured by others.

use super::{engine_config, fixed_params};
use crate::config::Settings;
use crate::platform::Host;
use clat_engine::{Action, Config, Engine, Input, Instant, TranslatorParams};
use std::collections::VecDeque;

/// Who decides.
#[derive(Debug)]
pub(crate) enum Brain {
    /// The engine.
    Engine(Box<Engine>),
    /// Nobody: these parameters hold from start to stop (`--no-configure`).
    Fixed(TranslatorParams),
}

/// Who decides by these settings.
pub(super) fn of(settings: &Settings, host: &impl Host) -> Brain {
    match fixed_params(settings, host) {
        Some(params) => Brain::Fixed(params),
        None => Brain::Engine(Box::new(Engine::new(engine_config(settings, host)))),
    }
}

impl Brain {
    /// Gets going.
    pub(crate) fn begin(&self, todo: &mut VecDeque<Action>) {
        match self {
            Self::Engine(_) => {}
            Self::Fixed(params) => todo.push_back(Action::Activate(*params)),
        }
    }

    /// Tells what happened, and collects what is to be done.
    pub(crate) fn handle_input(&mut self, now: Instant, input: Input<'_>, todo: &mut VecDeque<Action>) {
        match self {
            Self::Engine(engine) => {
                engine.handle_input(now, input);
                todo.extend(std::iter::from_fn(|| engine.poll_action()));
            }
            Self::Fixed(_) if matches!(input, Input::Stop) => {
                todo.extend([Action::Deactivate, Action::Finished]);
            }
            Self::Fixed(_) => {}
        }
    }

    /// Takes over another configuration without a restart.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        config: &Config,
        params: Option<TranslatorParams>,
        todo: &mut VecDeque<Action>,
    ) {
        match (&mut *self, params) {
            (Self::Engine(_), _) => self.handle_input(now, Input::Reconfigure(config), todo),
            (Self::Fixed(fixed), Some(params)) => {
                *fixed = params;
                todo.push_back(Action::Activate(params));
            }
            (Self::Fixed(_), None) => {}
        }
    }

    /// When to come back at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Engine(engine) => engine.poll_timeout(),
            Self::Fixed(_) => None,
        }
    }
}
