//! The presets: the files of `policies/`, compiled into the program.

/// The preset of a policy file without `extends`.
pub const DEFAULT: &str = "cis-aws-v5";

/// The name and the text of every preset.
pub const ALL: [(&str, &str); 5] = [
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
