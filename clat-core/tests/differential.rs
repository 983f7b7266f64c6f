//! The model and the core agree on every packet.

mod common;

use clat_core::DropReason;
use clat_model::{Model, REASONS, judge, strategy};
use proptest::prelude::*;

/// As many cases as PROPTEST_CASES says, at least this many.
fn cases(least: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.max(least);
    config.failure_persistence = None;
    config
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn model_and_core_agree(case in strategy::any_packet()) {
        let expected = Model::new(case.config.clone()).translate(&case.packet);
        let did = common::translate(&case.config, &case.packet);
        judge::agree(&case.packet, &expected, &did).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn the_model_knows_the_reasons_of_the_core() {
    let known: Vec<&str> = DropReason::ALL.iter().map(|r| r.as_str()).collect();
    for reason in REASONS {
        assert!(known.contains(&reason), "{reason}");
    }
    assert_eq!(known.len(), REASONS.len(), "a reason that the model never gives");
}
