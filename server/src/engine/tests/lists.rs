//! Lists and counts: queries as long as a request can hold.

use super::spec::Spec;

#[test]
fn a_query_of_many_conditions_is_answered() {
    for (join, last, found) in [("OR", "Running", 1), ("AND", "Running", 1), ("AND", "Failed", 0)] {
        let mut spec = Spec::new();
        spec.run("start");
        let conditions = "ExecutionStatus = 'Running' ".to_owned() + join + " ";
        spec.run(&format!("count {}ExecutionStatus = '{last}'", conditions.repeat(50_000)));
        assert!(spec.out.ends_with(&format!("count: {found}\n")), "{join} {last}");
    }
}
