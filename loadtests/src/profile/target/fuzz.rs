//! Any profile of a target: a load that survives its record in a plan, or problems with lines of the file.

use super::*;
use fuzzing::Target as FuzzTarget;

const TARGET: FuzzTarget = FuzzTarget::new(
    "target-profiles",
    &[
        "loadtests/src/profile/target.rs",
        "harness/core/src/plan/target_form.rs",
        "harness/core/src/plan/operation.rs",
        "harness/core/src/plan/operation/pointer.rs",
        "harness/core/src/plan/operation/template.rs",
    ],
)
.with_words(&[
    "[target]\n",
    "url = \"http://127.0.0.1:8000/mcp\"\n",
    "url = \"https://user:password@host/mcp?q\"\n",
    "[[target.token]]\nenv = \"A\"\n",
    "[[target.token]]\nfile = \"a\"\n",
    "[target.start]\ncommand = [\"a\", \"{{port}}\"]\n",
    "[[operation]]\n",
    "name = \"a\"\n",
    "tool = \"get\"\n",
    "weight = 0\n",
    "arguments = { a = \"{{known_key}}\" }\n",
    "{{shared_key}}",
    "{{foreign_key}}",
    "{{uuid}}",
    "{{number}}",
    "{{",
    "}}",
    "/arguments/a",
    "/reply/a~1b/0",
    "missing = [\"none\"]",
    "no_record = [\"\", \"/reply/error\", [[]]]",
    "expect = { \"/reply/ok\" = true }\n",
    "certain_failures = [\"http_503\"]\n",
]);

#[test]
fn a_load_on_a_target_survives_its_record_and_problems_have_lines() {
    TARGET.run_text(|text| {
        let lines = text.lines().count() + 1;
        let problems = match parse("x", "x.toml", text) {
            Ok((workload, target, problems)) if problems.is_empty() => {
                let record = serde_json::to_string(&(&workload, &target)).expect("a load is plain data");
                let again: (Workload, Target) = serde_json::from_str(&record).expect("its record is read again");
                assert_eq!(again, (workload, target));
                return;
            }
            Ok((_, _, problems)) | Err(problems) => problems,
        };
        assert!(!problems.is_empty(), "refused without a problem");
        for problem in problems {
            let line = problem.place.strip_prefix("x.toml").expect("the place begins with the file");
            let number = line.strip_prefix(':').map_or(Ok(1), str::parse::<usize>);
            assert!(number.is_ok_and(|number| (1..=lines).contains(&number)), "{} of {lines}", problem.place);
            assert!(!problem.what.is_empty(), "{}", problem.place);
        }
    });
}
