//! The presets: the files of `policies/`, compiled into the program.
//!
//! The numbers of the CIS controls come from published copies of the benchmarks:
//!
//! | benchmark | read in |
//! |---|---|
//! | CIS AWS Foundations 6.0.0, 7.0.0 | Prowler, `prowler/compliance/aws/cis_6.0_aws.json` and `cis_7.0_aws.json` |
//! | CIS AWS Foundations 7.0.0, once more | Tenable, audit `CIS_Amazon_Web_Services_Foundations_v7.0.0_L1`: items 2.4, 2.11 and 2.12 |
//! | CIS AWS Database Services 1.0.0, 2.7 | Turbot, `steampipe-mod-aws-compliance`, `cis_database_service_v100_2_7`: the access keys of IAM users belong to it |

/// The preset of a policy file without `extends`.
pub const DEFAULT: &str = "cis-aws-v7";

/// The name and the text of every preset.
pub const ALL: [(&str, &str); 7] = [
    ("cis-aws-v7", include_str!("../../policies/cis-aws-v7.yaml")),
    ("cis-aws-v6", include_str!("../../policies/cis-aws-v6.yaml")),
    ("cis-aws-v5", include_str!("../../policies/cis-aws-v5.yaml")),
    ("cis-aws-v3", include_str!("../../policies/cis-aws-v3.yaml")),
    ("aws-fsbp", include_str!("../../policies/aws-fsbp.yaml")),
    ("pci-dss-4", include_str!("../../policies/pci-dss-4.yaml")),
    ("strict", include_str!("../../policies/strict.yaml")),
];

/// Returns the text of a preset.
pub fn find_preset(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(preset, _)| *preset == name).map(|(_, text)| *text)
}

/// Returns the names of all presets.
pub fn preset_names() -> Vec<&'static str> {
    ALL.iter().map(|(name, _)| *name).collect()
}
