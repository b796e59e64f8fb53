//! Owns the execution of a script: its directives and what each asserts.
//! Does not hold instances (`world`) nor compare values (`pattern`).

use crate::pattern::{self, Value};
use crate::report::{Problem, Report};
use crate::world::{Action, World};
use sterna::{Engine, Module, Trap, TrapCode};
use wast::core::WastRetCore;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Span;
use wast::{QuoteWat, QuoteWatTest, Wast, WastDirective, WastExecute, WastRet, Wat};

type Outcome = Result<(), Problem>;

/// Runs a script; `file` only names it in the report.
///
/// Directives after a failed one run as well, as far as they do not need what it should have defined.
pub fn run(engine: &Engine, file: &str, text: &str) -> Report {
    let mut report = Report::default();
    if let Err((span, message)) =
        run_directives(engine, text, |span, outcome| report.record(file, text, span, outcome))
    {
        report.record(file, text, span, Err(message.into()));
    }
    report
}

/// Hands every directive's outcome to `record`; the error is that of a script that cannot be run at all.
fn run_directives(
    engine: &Engine,
    text: &str,
    mut record: impl FnMut(Span, Outcome),
) -> Result<(), (Span, String)> {
    let broken = |error: wast::Error| {
        (error.span(), format!("cannot parse the script: {}", error.message()))
    };
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(broken)?;
    let script = parse::<Wast<'_>>(&buffer).map_err(broken)?;
    let world = World::new(engine);
    let mut world = world.map_err(|error| {
        (Span::from_offset(0), format!("cannot define the host's module: {error}"))
    })?;
    for directive in script.directives {
        record(directive.span(), run_directive(&mut world, directive));
    }
    Ok(())
}

fn run_directive(world: &mut World<'_>, directive: WastDirective<'_>) -> Outcome {
    use WastDirective as D;
    match directive {
        D::Module(mut module) => world.module(&mut module),
        D::ModuleDefinition(mut module) => world.definition(&mut module),
        D::ModuleInstance { instance, module, .. } => world.module_instance(instance, module),
        D::Register { name, module, .. } => world.register(name, module),
        D::Invoke(invoke) => match world.invoke(&invoke)? {
            Action::Returned(_) => Ok(()),
            Action::Failed(error) => Err(format!("invocation failed: {error}").into()),
        },
        D::AssertReturn { exec, results, .. } => assert_return(world, exec, results),
        D::AssertTrap { exec, message, .. } => assert_trap(world.execute(exec)?, message),
        D::AssertExhaustion { call, message, .. } => assert_trap(world.invoke(&call)?, message),
        D::AssertException { exec, .. } => {
            assert_trap(world.execute(exec)?, TrapCode::UncaughtException.message())
        }
        D::AssertInvalid { mut module, message, .. } => {
            assert_rejected(&world.compile(&mut module), message)
        }
        D::AssertMalformed { module, message, .. } => assert_malformed(world, module, message),
        D::AssertUnlinkable { module, message, .. } => assert_unlinkable(world, module, message),
        D::AssertInvalidCustom { .. } | D::AssertMalformedCustom { .. } => {
            Err(Problem::unsupported("assertions about the contents of custom sections"))
        }
        D::AssertSuspension { .. } => Err(Problem::unsupported("stack switching")),
        D::Thread(_) | D::Wait { .. } => Err(Problem::unsupported("threads in scripts")),
    }
}

fn assert_return(
    world: &mut World<'_>,
    exec: WastExecute<'_>,
    expected: Vec<WastRet<'_>>,
) -> Outcome {
    let core = |expected| match expected {
        WastRet::Core(expected) => Ok(expected),
        _ => Err(Problem::unsupported("component values")),
    };
    let expected: Vec<WastRetCore<'_>> =
        expected.into_iter().map(core).collect::<Result<_, _>>()?;
    match world.execute(exec)? {
        Action::Returned(values) => Ok(pattern::check(&expected, &values)?),
        Action::Failed(error) => Err(format!("expected a return, got: {error}").into()),
    }
}

/// The messages need only agree as far as the shorter one goes: scripts of different ages word them at different length.
fn assert_trap(action: Action, expected: &str) -> Outcome {
    let error = match action {
        Action::Failed(error) => error,
        Action::Returned(values) => {
            return Err(
                format!("expected the trap `{expected}`, it returned {}", list(&values)).into()
            );
        }
    };
    match error.downcast_ref::<Trap>().map(|trap| trap.code().message()) {
        Some(message) if message.starts_with(expected) || expected.starts_with(message) => Ok(()),
        Some(message) => Err(format!("expected the trap `{expected}`, got `{message}`").into()),
        None => Err(format!("expected the trap `{expected}`, got: {error:#}").into()),
    }
}

fn assert_rejected(module: &Result<Module, Problem>, message: &str) -> Outcome {
    match module {
        Ok(_) => {
            Err(format!("expected the module to be rejected ({message}), but it is accepted")
                .into())
        }
        Err(_) => Ok(()),
    }
}

/// Quoted text must fail to assemble, or what it assembles to must be rejected.
fn assert_malformed(world: &World<'_>, mut module: QuoteWat<'_>, message: &str) -> Outcome {
    match module.to_test() {
        Ok(QuoteWatTest::Text(_)) if module.encode().is_err() => Ok(()),
        Ok(_) => assert_rejected(&world.compile(&mut module), message),
        Err(_) => Ok(()),
    }
}

fn assert_unlinkable(world: &mut World<'_>, module: Wat<'_>, message: &str) -> Outcome {
    let module = world.compile(&mut QuoteWat::Wat(module))?;
    match world.instantiate(&module) {
        Ok(_) => Err(format!("expected a link error ({message}), but it links").into()),
        Err(error) if error.is::<Trap>() => {
            Err(format!("expected a link error ({message}), got a trap: {error}").into())
        }
        Err(_) => Ok(()),
    }
}

fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("[{}]", shown.join(", "))
}
