//! The commands that start nothing, as they are typed and as they answer: `tests/cmd`.

use crate::process::countersign;

#[test]
fn every_command_answers_what_its_file_in_tests_cmd_shows() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("countersign", std::path::Path::new(countersign().get_program()));
    // Where this machine stands and what it has set is nothing to a test.
    cases.env("TZ", "UTC").env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}
