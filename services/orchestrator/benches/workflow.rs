//! Cost of a workflow beyond the calls that it makes, at 20 users, and cost of an agent on a small and on the largest text. The peers are the tests'
//! fakes in the same process, so the CPU is that of four services and their clients.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed step fails the benchmark")]

#[path = "../tests/workflow/fake.rs"]
#[expect(dead_code, reason = "a benchmark needs only healthy peers")]
mod fake;
#[path = "../tests/workflow/stage.rs"]
#[expect(dead_code, reason = "a benchmark has no use for the waits of the tests")]
mod stage;

use futures::future::join_all;
use mcp_contracts::guardrails::ActionKind;
use mcp_contracts::orchestrator::{AgentName, Execution, RunWorkflow, StepName, WorkflowStatus};
use mcp_orchestrator::agent::{self, AgentInput};
use nix::sys::resource::{UsageWho, getrusage};
use stage::{PATIENT, Stage, ann, request, step};
use std::time::{Duration, Instant};

const USERS: usize = 20;
const ROUNDS: usize = 60;
const LARGEST_TEXT: usize = 256 << 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::new(PATIENT));
    let first = runtime.block_on(stage.run(&request(ActionKind::Edit))).duration_ms;
    for users in [1, USERS] {
        let (before, start) = (cpu(), Instant::now());
        let runs = runtime.block_on(join_all((0..users).map(|user| rounds(&stage, user))));
        let (spent, took) = (cpu() - before, start.elapsed());
        let runs: Vec<(f64, f64)> = runs.into_iter().flatten().collect();
        let of = |figure: fn(&(f64, f64)) -> f64, at| quantile(runs.iter().map(figure), at);
        let (whole, steps) = (of(|run| run.0, 0.5), of(|run| run.1, 0.5));
        println!("workflow at {users:>2} users, median                {whole:>8.2} ms   (at 20 at most 25)");
        println!("workflow at {users:>2} users, p99                   {:>8.2} ms", of(|run| run.0, 0.99));
        println!("beyond its steps, median                   {:>8.2} ms   (at most 2)", of(|run| run.0 - run.1, 0.5));
        println!("workflow / its steps                       {:>8.2}", whole / steps);
        println!("workflows in a second                      {:>8.0}", runs.len() as f64 / took.as_secs_f64());
        println!(
            "CPU of one, with its three peers           {:>8.2} ms",
            spent.as_secs_f64() * 1e3 / runs.len() as f64
        );
    }
    println!("the first one of a process                 {first:>8.2} ms");
    for agent in AgentName::ALL {
        let (small, large) = (agent_ms(agent, 300), agent_ms(agent, LARGEST_TEXT));
        println!("agent {:<8} on 300 bytes, on 256 KiB      {small:>8.2} ms {large:>8.2} ms", agent.name());
    }
}

/// Duration of each run and of its longest chain of steps.
async fn rounds(stage: &Stage, user: usize) -> Vec<(f64, f64)> {
    let claims = mcp_contracts::Claims { sub: format!("user-{user}"), ..ann() };
    let mut runs = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let request = RunWorkflow { agent: AgentName::ALL[round % 3], ..request(ActionKind::Edit) };
        let start = Instant::now();
        let execution = stage.orchestrator.run(&claims, &request).await.unwrap();
        let took = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(execution.status, WorkflowStatus::Completed);
        runs.push((took, longest_chain(&execution)));
    }
    runs
}

fn longest_chain(execution: &Execution) -> f64 {
    use StepName::{Execute, Guardrails, InjectPattern, LogUsage, Memory, Remember, SelectPattern};
    let of = |name| step(execution, name).duration_ms;
    let together = |names: &[StepName]| names.iter().map(|name| of(*name)).fold(0.0, f64::max);
    together(&[Guardrails, Memory, SelectPattern]) + of(InjectPattern) + of(Execute) + together(&[LogUsage, Remember])
}

fn agent_ms(agent: AgentName, bytes: usize) -> f64 {
    let line =
        "10:05 alert: checkout errors at 40 % after the deploy of 4.1, Ann rolled back; the queue was full and slow\n";
    let text = &line.repeat(LARGEST_TEXT / line.len() + 1)[..bytes];
    let input = AgentInput {
        intent: "Find out why checkout failed",
        text,
        files: &[],
        role: "sre",
        memories: &[],
        static_context: false,
        pattern: None,
        today: jiff::civil::date(2026, 11, 25),
        execution_id: "e-1",
    };
    let times = (0..5).map(|_| {
        let start = Instant::now();
        std::hint::black_box(agent::run(agent, &input));
        start.elapsed().as_secs_f64() * 1e3
    });
    quantile(times, 0.5)
}

fn quantile(values: impl Iterator<Item = f64>, at: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at) as usize]
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000);
    time(usage.user_time()) + time(usage.system_time())
}
