//! A harness that injects one fault and then ends in one of several ways, for the tests that nothing of a fault
//! remains.
//!
//! Its arguments are `DIR TOPOLOGY STACK FAULT ENDING`:
//! - `DIR`: the folder of the run;
//! - `TOPOLOGY`, `FAULT`: JSON;
//! - `STACK`: `stays` if the stack outlives this program, else `dies`;
//! - `ENDING`: `heal`, `drop`, `panic`, or `wait`, which heals after SIGINT or SIGTERM.
//!
//! Prints the parts of the stack as JSON, injects the fault when it reads a line, and prints `active`; after a heal it
//! prints `healed`.
#![expect(clippy::print_stdout, reason = "a test reads what it prints")]

use harness_core::fault::{FaultKind, Injector};
use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::view::{Event, View};
use harness_core::stack::{Fixture, IMAGE_TAG, Stack, StackRequest};
use harness_core::stack::{owned, reaper};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The rules before a fault changes them.
const RULES: &str = "category: testing
rules:
  - id: OWN-001
    title: No kumquat
    severity: critical
    when: { keywords: [kumquat] }
    message: There is a kumquat.
    remediation: Take it out.
    tests: { trips: [a kumquat], passes: [a plum] }
";

struct Silent;

impl View for Silent {
    fn show(&self, _event: Event) {}
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == reaper::SUBCOMMAND) {
        return reaper::reap_from_stdin();
    }
    if let [first, parent, program, rest @ ..] = &arguments[..]
        && first == owned::SUBCOMMAND
    {
        let parent = parent.parse().expect("the first argument is a process id");
        let rest: Vec<_> = rest.iter().map(Into::into).collect();
        println!("{}", owned::become_program(parent, program.as_ref(), &rest));
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    match runtime.block_on(hold(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn hold(arguments: &[String]) -> Result<(), String> {
    let [dir, topology, stack, fault, ending] = arguments else {
        return Err("DIR TOPOLOGY STACK FAULT ENDING".to_owned());
    };
    let topology: Topology = serde_json::from_str(topology).map_err(|error| error.to_string())?;
    let fault: FaultKind = serde_json::from_str(fault).map_err(|error| error.to_string())?;
    let fixtures = match &fault {
        FaultKind::FileChanged(fault) => {
            vec![Fixture::File { service: fault.service, name: fault.file.clone(), text: RULES.to_owned() }]
        }
        _ => Vec::new(),
    };
    // Before the stack starts, because without these handlers an early signal would end the program.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let request = StackRequest {
        backend: Backend::Process,
        topology,
        dir: PathBuf::from(dir),
        secret: "a-key-of-the-stack-tests-0123456789abcdef".to_owned(),
        executable: std::env::current_exe().map_err(|error| error.to_string())?,
        detached: stack == "stays",
        fixtures,
        image_tag: IMAGE_TAG.to_owned(),
        seed: 0,
    };
    let view: Arc<dyn View> = Arc::new(Silent);
    let stack = Box::pin(Stack::start(&request, &view, &CancellationToken::new())).await;
    // Leaked, because the destructor would end a stack that must outlive this process.
    let stack: &'static Stack = Box::leak(Box::new(stack.map_err(|error| error.to_string())?));
    println!("{}", serde_json::to_string(&stack.parts()).map_err(|error| error.to_string())?);
    std::io::stdin().read_line(&mut String::new()).map_err(|error| error.to_string())?;
    let injector = Injector::new(stack, &request.dir);
    let active = Box::pin(injector.inject(&fault)).await.map_err(|error| error.to_string())?;
    println!("active");
    match ending.as_str() {
        "drop" => drop(active),
        "panic" => panic!("a check that panics while a fault acts"),
        _ => {
            if ending == "wait" {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            Box::pin(active.heal()).await.map_err(|error| error.to_string())?;
            println!("healed");
        }
    }
    Ok(())
}
