//! Owns what exists while a script runs: the store, instances and definitions by name, what is registered for import.
//! Does not know what directives assert (`script`).

use crate::pattern::Value;
use crate::report::Problem;
use crate::{spectest, values};
use std::collections::{HashMap, HashSet};
use sterna::{Engine, Error, Instance, Linker, Module, Store, UnknownImportError, Val};
use wasmparser::{Validator, WasmFeatures};
use wast::token::Id;
use wast::{QuoteWat, WastExecute, WastInvoke};

type Result<T> = std::result::Result<T, Problem>;

/// What an action did.
pub(crate) enum Action {
    Returned(Vec<Value>),
    Failed(Error),
}

/// What a name stands for. A module that needs a feature we lack leaves a mark, so that what needs that module in turn is known
/// to fail for the same reason.
#[derive(Clone)]
enum Named<T> {
    Present(T),
    Unsupported,
}

pub(crate) struct World<'e> {
    engine: &'e Engine,
    store: Store<()>,
    linker: Linker<()>,
    /// By name in the script; the latest one also without name.
    instances: HashMap<Option<String>, Named<Instance>>,
    definitions: HashMap<Option<String>, Named<Module>>,
    /// Registered names whose instance could not be made.
    unsupported_names: HashSet<String>,
}

impl<'e> World<'e> {
    pub(crate) fn new(engine: &'e Engine) -> std::result::Result<Self, Error> {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store)?;
        let (instances, definitions) = (HashMap::new(), HashMap::new());
        Ok(Self {
            engine,
            store,
            linker,
            instances,
            definitions,
            unsupported_names: HashSet::new(),
        })
    }

    /// Assembles, decodes and validates.
    pub(crate) fn compile(&self, module: &mut QuoteWat<'_>) -> Result<Module> {
        let binary = module.encode().map_err(|e| format!("cannot assemble: {}", e.message()))?;
        Module::new(self.engine, &binary).map_err(|error| match is_valid_with_everything(&binary) {
            true => Problem::unsupported(error),
            false => format!("invalid module: {error}").into(),
        })
    }

    /// Compiles and instantiates; the result is the current instance and perhaps has a name.
    pub(crate) fn module(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        let name = name_of(module.name());
        let built = self.compile(module).and_then(|module| self.build(&module));
        bind(&mut self.instances, name, built)
    }

    /// Compiles and keeps the module for later instances.
    pub(crate) fn definition(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        let name = name_of(module.name());
        let module = self.compile(module);
        bind(&mut self.definitions, name, module)
    }

    /// Instantiates a definition.
    pub(crate) fn module_instance(
        &mut self,
        instance: Option<Id<'_>>,
        module: Option<Id<'_>>,
    ) -> Result<()> {
        let built = find(&self.definitions, module, "module definition")
            .and_then(|module| self.build(&module));
        bind(&mut self.instances, name_of(instance), built)
    }

    /// Makes the exports of an instance importable.
    pub(crate) fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Result<()> {
        let instance = find(&self.instances, module, "instance").inspect_err(|_| {
            self.unsupported_names.insert(name.to_owned());
        })?;
        self.unsupported_names.remove(name);
        let registered = self.linker.instance(&mut self.store, name, instance);
        registered.map(drop).map_err(|e| format!("cannot register: {e}").into())
    }

    /// Instantiates; traps and link errors are the engine's own.
    pub(crate) fn instantiate(&mut self, module: &Module) -> std::result::Result<Instance, Error> {
        self.linker.instantiate(&mut self.store, module)
    }

    /// Instantiates where that should succeed.
    fn build(&mut self, module: &Module) -> Result<Instance> {
        self.instantiate(module).map_err(|error| {
            let unknown = error.downcast_ref::<UnknownImportError>();
            match unknown.is_some_and(|unknown| self.unsupported_names.contains(unknown.module())) {
                true => Problem::unsupported(error),
                false => format!("instantiation failed: {error}").into(),
            }
        })
    }

    pub(crate) fn execute(&mut self, exec: WastExecute<'_>) -> Result<Action> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                Ok(self
                    .instantiate(&module)
                    .map_or_else(Action::Failed, |_| Action::Returned(Vec::new())))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = find(&self.instances, module, "instance")?;
                let found = instance.get_global(&mut self.store, global);
                let value =
                    found.ok_or_else(|| format!("no global `{global}`"))?.get(&mut self.store);
                Ok(Action::Returned(vec![values::result(&value, &mut self.store)]))
            }
        }
    }

    pub(crate) fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Action> {
        let instance = find(&self.instances, invoke.module, "instance")?;
        let func = instance.get_func(&mut self.store, invoke.name);
        let func = func.ok_or_else(|| format!("no function `{}`", invoke.name))?;
        let arguments =
            invoke.args.iter().map(|argument| values::argument(argument, &mut self.store));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results.len()];
        Ok(match func.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => Action::Returned(
                results.iter().map(|value| values::result(value, &mut self.store)).collect(),
            ),
            Err(error) => Action::Failed(error),
        })
    }
}

/// Whether the validator accepts it with every feature it knows: then it is we who lack one.
fn is_valid_with_everything(binary: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::all()).validate_all(binary).is_ok()
}

/// Binds a result to a name and to the current position.
fn bind<T: Clone>(
    names: &mut HashMap<Option<String>, Named<T>>,
    name: Option<String>,
    built: Result<T>,
) -> Result<()> {
    let (named, outcome) = match built {
        Ok(value) => (Some(Named::Present(value)), Ok(())),
        Err(problem) if problem.is_unsupported() => (Some(Named::Unsupported), Err(problem)),
        Err(problem) => (None, Err(problem)),
    };
    for key in [None].into_iter().chain(name.map(Some)) {
        match &named {
            Some(named) => names.insert(key, named.clone()),
            None => names.remove(&key),
        };
    }
    outcome
}

fn find<T: Clone>(
    names: &HashMap<Option<String>, Named<T>>,
    name: Option<Id<'_>>,
    what: &str,
) -> Result<T> {
    match names.get(&name_of(name)) {
        Some(Named::Present(value)) => Ok(value.clone()),
        Some(Named::Unsupported) => Err(Problem::unsupported("the module that this needs")),
        None => Err(match name {
            Some(name) => format!("no {what} ${}", name.name()).into(),
            None => format!("no {what}: the one before failed").into(),
        }),
    }
}

fn name_of(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}
