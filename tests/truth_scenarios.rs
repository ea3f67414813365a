//! The scenarios of the rollout semantics, by their numbers, as raw requests: on the simulated cluster in virtual time always, and on the real control
//! plane that `ROLLSH_TEST_KUBECONFIG` names, each in a namespace of its own.
//!
//! What kubectl decides, says or prints stands in `tests/kubectl/scenarios.txt`, recorded on a real cluster and compared by `kubectl_parity`; what neither can
//! bring about at will is in `ELSEWHERE`. The numbers are those of `SEMANTICS.md`, section 8; a test sees to it that none is missing.

#[path = "truth/api.rs"]
mod api;
#[path = "truth/history.rs"]
mod history;
#[path = "truth/pods.rs"]
mod pods;
#[path = "truth/rollout.rs"]
mod rollout;
#[path = "truth/server.rs"]
mod server;
#[path = "truth/sets.rs"]
mod sets;
#[path = "truth/stage.rs"]
mod stage;

/// Each scenario once in virtual time, and once on the real control plane.
macro_rules! scenarios {
    ($($topic:ident { $($name:ident,)* })*) => {
        mod simulated {
            $($(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$topic::$name(super::server::Server::simulated("truth", 0).await).await;
            })*)*
        }

        mod real {
            $($(#[tokio::test]
            async fn $name() {
                let number = stringify!($name).split('_').nth(1).unwrap_or_default();
                let namespace = format!("truth-{}-s{number}", std::process::id());
                match super::server::Server::real(&namespace).await {
                    Some(server) => {
                        super::$topic::$name(server.clone()).await;
                        server.end().await;
                    }
                    None => super::server::skipped(stringify!($name)),
                }
            })*)*
        }
    };
}

scenarios! {
    history {
        scenario_11_undo_makes_the_former_revision_the_newest,
        scenario_12_undo_again_goes_back_and_forth,
        scenario_16_without_a_history_limit_no_old_revision_is_left,
        scenario_20_an_annotation_that_is_deleted_stays_on_its_old_revision,
        scenario_23_an_undo_is_one_generation,
        scenario_24_the_stored_template_has_no_hash,
        scenario_25_a_dry_run_stores_nothing,
        scenario_26_a_stateful_set_that_is_put_back_reuses_its_revision,
        scenario_28_a_daemon_set_that_is_put_back_to_what_it_is_does_not_change,
        scenario_29_a_stateful_set_takes_the_cause_with_its_template_only,
        scenario_30_a_late_cause_reaches_the_newest_revision_only,
        scenario_38_a_stateful_set_without_a_strategy_gets_a_partition,
        scenario_39_a_stateful_set_that_names_its_strategy_gets_none,
    }
    rollout {
        scenario_43_ten_replicas_surge_by_three_and_miss_two,
        scenario_44_three_replicas_are_never_fewer_and_never_more_than_four,
        scenario_45_one_replica_without_surge_goes_before_it_comes,
        scenario_46_half_of_four_surges_and_half_goes,
        scenario_47_a_missed_deadline_is_told_and_changes_nothing,
        scenario_48_a_mended_image_ends_well_after_a_missed_deadline,
        scenario_49_an_undo_to_an_empty_revision_still_shows_the_missed_deadline,
        scenario_50_a_new_size_in_mid_rollout_is_shared_in_proportion,
        scenario_51_no_replicas_in_mid_rollout_empties_both_revisions,
        scenario_52_a_new_size_comes_before_a_new_template,
        scenario_53_a_paused_deployment_is_resized_but_not_rolled_out,
        scenario_54_two_edits_in_a_pause_are_one_revision,
        scenario_55_recreate_waits_for_the_last_old_pod,
        scenario_57_an_old_template_written_again_is_its_old_revision,
        scenario_58_a_taken_name_counts_as_a_collision,
        scenario_59_annotations_reach_the_newest_revision_without_a_rollout,
        scenario_60_pods_are_available_a_while_after_they_are_ready,
        scenario_61_orphans_are_adopted_and_their_numbers_go_on,
        scenario_62_rollouts_that_are_overtaken_leave_no_gap,
    }
    sets {
        scenario_63_a_pod_that_is_not_ready_goes_first,
        scenario_64_the_cheapest_pod_goes_first,
        scenario_65_the_node_with_two_pods_loses_one,
        scenario_66_a_pod_that_leaves_the_selector_is_replaced_and_stays,
        scenario_68_a_stateful_set_in_order_stays_stuck_until_its_broken_pod_is_deleted,
        scenario_69_a_stateful_set_is_updated_from_the_top,
        scenario_70_a_pod_below_the_partition_comes_back_as_it_was,
        scenario_71_a_stateful_set_shrinks_one_by_one,
        scenario_72_a_daemon_set_may_miss_two_of_three_nodes,
        scenario_73_a_daemon_set_with_surge_keeps_every_node_served,
    }
    pods {
        scenario_74_a_bad_image_stays_pending_between_two_reasons,
        scenario_75_a_crash_loops_while_the_pod_runs,
        scenario_76_a_deleted_pod_is_replaced_before_it_is_gone,
    }
    api {
        scenario_80_applying_the_same_again_writes_nothing,
        scenario_81_a_stale_put_is_a_conflict,
        scenario_82_a_status_that_says_nothing_new_is_no_write,
        scenario_83_a_watch_begins_after_its_version,
        scenario_84_a_streamed_list_ends_with_a_bookmark,
        scenario_85_what_leaves_a_selection_is_deleted_from_it,
        scenario_86_pages_are_of_one_moment,
        scenario_87_a_second_applier_conflicts_or_takes_over,
        scenario_88_a_strategic_patch_touches_one_container_only,
        scenario_89_retained_keys_drop_the_others,
        scenario_90_dependents_follow_or_outlive_their_owner,
        scenario_91_a_dry_run_makes_up_a_name_and_keeps_nothing,
        scenario_95_a_scale_that_expects_another_version_is_a_conflict,
    }
}

/// Scenarios that no client can bring about on a cluster of others at will: why, and which test tries them.
const ELSEWHERE: &[(u8, &str, &str, &str)] = &[
    (5, "the garbage collector takes such a ReplicaSet away at once", "src/rollout/history.rs", "only_what_the_uid_owns_counts"),
    (22, "needs a controller that stands still", "tests/safety.rs", "undo_with_the_controller_asleep_goes_back_exactly_one_template"),
    (31, "needs a controller that stands still", "src/rollout/deadline.rs", "a_condition_about_a_spec_that_is_not_observed_says_nothing"),
    (42, "nobody may compact a shared cluster", "src/cluster/watch.rs", "a_version_that_is_too_old_means_listing_again"),
    (
        56,
        "needs five old ReplicaSets with pods at one moment",
        "src/sim/controllers/rolling_tests.rs",
        "the_history_is_cut_at_its_limit_but_what_has_pods_stays",
    ),
    (67, "needs a creation that fails in the middle", "src/sim/controllers/rolling_tests.rs", "a_failed_creation_shows_as_a_condition_and_ends_the_batch"),
    (77, "nobody waits for two years", "src/render/words.rs", "an_age_is_kubectls_to_the_letter"),
    (78, "needs a pod with one container that ended well", "src/rollout/pod.rs", "the_columns_are_those_of_the_api_server"),
];

/// The numbers that follow `mark` in a text.
fn numbers<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = u8> + 'a {
    text.split(mark).skip(1).filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok())
}

#[test]
fn every_scenario_of_the_semantics_is_tried_by_a_test_that_there_is() {
    let read = |file: &str| std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it is there");
    let mut tried: std::collections::BTreeSet<u8> = numbers(include_str!("truth_scenarios.rs"), "        scenario_").collect();
    tried.extend(numbers(include_str!("kubectl/scenarios.txt"), "## scenario "));
    for (number, _, file, test) in ELSEWHERE {
        assert!(read(file).contains(&format!("fn {test}()")), "scenario {number}: {file} has no test {test}");
        tried.insert(*number);
    }
    let missing: Vec<u8> = (1..=95).filter(|number| !tried.contains(number)).collect();
    assert!(missing.is_empty(), "no test tries the scenarios {missing:?}");
}
