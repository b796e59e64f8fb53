//! Owns the execution of a script: its instances, its names, and what each directive asserts.
//! Does not compare values (`pattern`) nor define the host's module (`spectest`).

use crate::pattern::{self, Value};
use crate::report::Report;
use crate::spectest;
use std::collections::HashMap;
use sterna::{Engine, Error, ExternRef, Instance, Linker, Module, Store, Trap, TrapCode, Val};
use wast::core::{AbstractHeapType, HeapType, WastArgCore, WastRetCore};
use wast::parser::{ParseBuffer, parse};
use wast::token::Id;
use wast::{
    QuoteWat, QuoteWatTest, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat,
};

type Outcome = Result<(), String>;

/// Runs a script; `file` only names it in the report.
///
/// Directives after a failed one run as well, as far as they do not need what it should have defined.
pub fn run(engine: &Engine, file: &str, text: &str) -> Report {
    let mut report = Report::default();
    let mut lexer = wast::lexer::Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer);
    let script = buffer
        .as_ref()
        .map_err(clone_error)
        .and_then(|buffer| parse::<Wast<'_>>(buffer).map_err(|e| clone_error(&e)));
    let directives = match script {
        Ok(script) => script.directives,
        Err((span, message)) => {
            report.record(
                file,
                text,
                span,
                Err(format!("cannot parse the script: {message}")),
            );
            return report;
        }
    };
    let mut script = match Script::new(engine) {
        Ok(script) => script,
        Err(error) => {
            report.record(
                file,
                text,
                wast::token::Span::from_offset(0),
                Err(format!("cannot set up the host: {error}")),
            );
            return report;
        }
    };
    for directive in directives {
        let span = directive.span();
        report.record(file, text, span, script.directive(directive));
    }
    report
}

fn clone_error(error: &wast::Error) -> (wast::token::Span, String) {
    (error.span(), error.message())
}

/// What an action did.
enum Action {
    Returned(Vec<Value>),
    Failed(Error),
}

struct Script<'e> {
    engine: &'e Engine,
    store: Store<()>,
    linker: Linker<()>,
    /// Instances by their name in the script; the latest one has none.
    instances: HashMap<Option<String>, Instance>,
    definitions: HashMap<Option<String>, Module>,
}

impl<'e> Script<'e> {
    fn new(engine: &'e Engine) -> Result<Self, Error> {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store)?;
        Ok(Self {
            engine,
            store,
            linker,
            instances: HashMap::new(),
            definitions: HashMap::new(),
        })
    }

    // tidy: dispatch
    fn directive(&mut self, directive: WastDirective<'_>) -> Outcome {
        use WastDirective as D;
        match directive {
            D::Module(mut module) => {
                let name = name_of(module.name());
                let module = self.compile(&mut module)?;
                self.instances.remove(&None);
                let instance = self
                    .instantiate(&module)
                    .map_err(|e| format!("instantiation failed: {e}"))?;
                self.define_instance(name, instance);
                Ok(())
            }
            D::ModuleDefinition(mut module) => {
                let name = name_of(module.name());
                let module = self.compile(&mut module)?;
                self.definitions.insert(name, module.clone());
                self.definitions.insert(None, module);
                Ok(())
            }
            D::ModuleInstance {
                instance, module, ..
            } => {
                let module = self.definitions.get(&name_of(module)).cloned();
                let module = module.ok_or("no such module definition")?;
                let built = self
                    .instantiate(&module)
                    .map_err(|e| format!("instantiation failed: {e}"))?;
                self.define_instance(name_of(instance), built);
                Ok(())
            }
            D::Register { name, module, .. } => self.register(name, module),
            D::Invoke(invoke) => match self.invoke(&invoke)? {
                Action::Returned(_) => Ok(()),
                Action::Failed(error) => Err(format!("invocation failed: {error}")),
            },
            D::AssertReturn { exec, results, .. } => self.assert_return(exec, results),
            D::AssertTrap { exec, message, .. } => {
                let action = self.execute(exec)?;
                expect_trap(action, message)
            }
            D::AssertExhaustion { call, message, .. } => {
                let action = self.invoke(&call)?;
                expect_trap(action, message)
            }
            D::AssertInvalid {
                module, message, ..
            } => self.assert_invalid(module, message),
            D::AssertMalformed {
                module, message, ..
            } => self.assert_malformed(module, message),
            D::AssertUnlinkable {
                module, message, ..
            } => self.assert_unlinkable(module, message),
            D::AssertException { exec, .. } => {
                let action = self.execute(exec)?;
                expect_trap(action, TrapCode::UncaughtException.message())
            }
            D::AssertInvalidCustom { .. } | D::AssertMalformedCustom { .. } => {
                Err("not supported: assertions about the contents of custom sections".into())
            }
            D::AssertSuspension { .. } => Err("not supported: stack switching".into()),
            D::Thread(_) | D::Wait { .. } => Err("not supported: threads in scripts".into()),
        }
    }

    fn define_instance(&mut self, name: Option<String>, instance: Instance) {
        self.instances.insert(None, instance);
        if name.is_some() {
            self.instances.insert(name, instance);
        }
    }

    fn instance(&self, name: Option<Id<'_>>) -> Result<Instance, String> {
        let found = self.instances.get(&name_of(name)).copied();
        found.ok_or_else(|| match name {
            Some(name) => format!("no instance ${}", name.name()),
            None => "no instance: the module before failed".into(),
        })
    }

    fn compile(&mut self, module: &mut QuoteWat<'_>) -> Result<Module, String> {
        let binary = module
            .encode()
            .map_err(|e| format!("cannot assemble: {}", e.message()))?;
        Module::new(self.engine, &binary).map_err(|e| format!("invalid module: {e}"))
    }

    fn instantiate(&mut self, module: &Module) -> Result<Instance, Error> {
        self.linker.instantiate(&mut self.store, module)
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Outcome {
        let instance = self.instance(module)?;
        let registered = self.linker.instance(&mut self.store, name, instance);
        registered
            .map(drop)
            .map_err(|e| format!("cannot register: {e}"))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Action, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                Ok(self
                    .instantiate(&module)
                    .map_or_else(Action::Failed, |_| Action::Returned(Vec::new())))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                let global = instance
                    .get_global(&mut self.store, global)
                    .ok_or_else(|| format!("no global `{global}`"))?;
                let value = global.get(&mut self.store);
                Ok(Action::Returned(vec![self.value(&value)]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Action, String> {
        let instance = self.instance(invoke.module)?;
        let func = instance.get_func(&mut self.store, invoke.name);
        let func = func.ok_or_else(|| format!("no function `{}`", invoke.name))?;
        let arguments = invoke
            .args
            .iter()
            .map(|arg| self.argument(arg))
            .collect::<Result<Vec<_>, _>>()?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results.len()];
        match func.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => Ok(Action::Returned(
                results.iter().map(|value| self.value(value)).collect(),
            )),
            Err(error) => Ok(Action::Failed(error)),
        }
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, expected: Vec<WastRet<'_>>) -> Outcome {
        let core = |expected| match expected {
            WastRet::Core(expected) => Ok(expected),
            _ => Err("not supported: component values".to_owned()),
        };
        let expected: Vec<WastRetCore<'_>> =
            expected.into_iter().map(core).collect::<Result<_, _>>()?;
        match self.execute(exec)? {
            Action::Returned(values) => pattern::check(&expected, &values),
            Action::Failed(error) => Err(format!("expected a return, got: {error}")),
        }
    }

    fn assert_invalid(&mut self, mut module: QuoteWat<'_>, message: &str) -> Outcome {
        match self.compile(&mut module) {
            Ok(_) => Err(format!(
                "expected an invalid module ({message}), but it is valid"
            )),
            Err(_) => Ok(()),
        }
    }

    /// Text must fail to assemble, or what it assembles to must fail to decode.
    fn assert_malformed(&mut self, mut module: QuoteWat<'_>, message: &str) -> Outcome {
        let binary = match module.to_test() {
            Ok(QuoteWatTest::Binary(binary)) => binary,
            Ok(QuoteWatTest::Text(_)) => match module.encode() {
                Ok(binary) => binary,
                Err(_) => return Ok(()),
            },
            Err(_) => return Ok(()),
        };
        match Module::new(self.engine, &binary) {
            Ok(_) => Err(format!(
                "expected a malformed module ({message}), but it is accepted"
            )),
            Err(_) => Ok(()),
        }
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Outcome {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        match self.instantiate(&module) {
            Ok(_) => Err(format!("expected a link error ({message}), but it links")),
            Err(error) if error.downcast_ref::<Trap>().is_some() => Err(format!(
                "expected a link error ({message}), got a trap: {error}"
            )),
            Err(_) => Ok(()),
        }
    }
}

impl Script<'_> {
    fn argument(&mut self, argument: &WastArg<'_>) -> Result<Val, String> {
        let WastArg::Core(argument) = argument else {
            return Err("not supported: component values".into());
        };
        Ok(match argument {
            WastArgCore::I32(value) => Val::I32(*value),
            WastArgCore::I64(value) => Val::I64(*value),
            WastArgCore::F32(value) => Val::F32(value.bits),
            WastArgCore::F64(value) => Val::F64(value.bits),
            WastArgCore::V128(value) => Val::from(u128::from_le_bytes(value.to_le_bytes())),
            WastArgCore::RefNull(heap) => null(heap)?,
            WastArgCore::RefExtern(number) => {
                Val::ExternRef(Some(ExternRef::new(&mut self.store, *number)))
            }
            WastArgCore::RefHost(_) => {
                return Err("not supported: host references below anyref".into());
            }
        })
    }

    fn value(&self, value: &Val) -> Value {
        match value {
            Val::I32(value) => Value::I32(*value),
            Val::I64(value) => Value::I64(*value),
            Val::F32(bits) => Value::F32(*bits),
            Val::F64(bits) => Value::F64(*bits),
            Val::V128(value) => Value::V128(value.as_u128().to_le_bytes()),
            Val::FuncRef(None) | Val::ExternRef(None) => Value::Null,
            Val::FuncRef(Some(_)) => Value::Func,
            Val::ExternRef(Some(reference)) => {
                let data = reference.data(&self.store).ok();
                Value::Extern(data.and_then(|data| data.downcast_ref::<u32>()).copied())
            }
        }
    }
}

fn null(heap: &HeapType<'_>) -> Result<Val, String> {
    use AbstractHeapType as A;
    match heap {
        HeapType::Abstract {
            ty: A::Func | A::NoFunc,
            ..
        }
        | HeapType::Concrete(_) => Ok(Val::NULL_FUNC),
        HeapType::Abstract {
            ty: A::Extern | A::NoExtern,
            ..
        } => Ok(Val::NULL_EXTERN),
        other => Err(format!("not supported: null of type {other:?}")),
    }
}

fn name_of(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("[{}]", shown.join(", "))
}

/// The action must have trapped with a message that begins with the script's, or the other way round: scripts of
/// different ages shorten it differently.
fn expect_trap(action: Action, expected: &str) -> Outcome {
    match action {
        Action::Returned(values) => Err(format!(
            "expected the trap `{expected}`, it returned {}",
            list(&values)
        )),
        Action::Failed(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let message = trap.code().message();
                let same = message.starts_with(expected) || expected.starts_with(message);
                if same {
                    Ok(())
                } else {
                    Err(format!("expected the trap `{expected}`, got `{message}`"))
                }
            }
            None => Err(format!("expected the trap `{expected}`, got: {error:#}")),
        },
    }
}
