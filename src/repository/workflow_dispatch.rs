//! Checks whether a workflow can be started by a dispatch, by what its file says.

use crate::yaml::{NodeKind, YamlFile, YamlNode, parse_editable};

/// Where GitHub looks for workflows.
pub const WORKFLOW_FOLDER: &str = ".github/workflows/";

/// The name of a workflow's file, which a policy file may give with its folder.
pub fn workflow_file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The event of a dispatch.
const DISPATCH: &str = "workflow_dispatch";

/// Why GitHub would not start this workflow without inputs. What cannot be read this way, GitHub judges.
pub fn find_dispatch_obstacle(text: &str) -> Option<String> {
    let file = match parse_editable(text) {
        Ok(file) => file,
        Err(error) => return Some(format!("it is not valid YAML: {error}")),
    };
    let on = file.roots.first().and_then(|root| file.get_field(root, "on"));
    let Some(dispatch) = on.and_then(|on| find_dispatch(&file, on)) else {
        return Some(format!("add `{DISPATCH}` to its `on:` on the default branch"));
    };
    let input = find_required_input(&file, dispatch)?;
    Some(format!("give its input `{input}` a `default`, or `required: false`: keytide sends none"))
}

/// The event in `on:`, which is one event, a list of them, or a mapping.
fn find_dispatch<'f>(file: &'f YamlFile, on: &'f YamlNode) -> Option<&'f YamlNode> {
    match &on.kind {
        NodeKind::List(items) => {
            let mut events = items.iter().filter_map(|item| file.follow_alias(item));
            events.find(|event| event.scalar_text() == Some(DISPATCH))
        }
        NodeKind::Map(_) => file.get_field(on, DISPATCH),
        _ => (on.scalar_text() == Some(DISPATCH)).then_some(on),
    }
}

/// The first input that a dispatch must bring.
fn find_required_input<'f>(file: &'f YamlFile, dispatch: &'f YamlNode) -> Option<&'f str> {
    let inputs = file.get_field(dispatch, "inputs").map(YamlNode::fields).unwrap_or_default();
    for input in inputs {
        let Some(value) = file.follow_alias(&input.value) else { continue };
        if file.text_at(value, &["required"]) == Some("true") && file.get_field(value, "default").is_none() {
            return Some(input.name());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_trigger_is_known() {
        for on in [
            "on: workflow_dispatch",
            "on: [push, workflow_dispatch]",
            "on:\n  push:\n  workflow_dispatch:\n",
            "'on': { workflow_dispatch: { inputs: { a: { required: false }, b: { required: true, default: x } } } }",
            "on:\n- workflow_dispatch\n",
            "x: &e [workflow_dispatch]\non: *e\n",
        ] {
            assert_eq!(find_dispatch_obstacle(on), None, "{on}");
        }
    }

    #[test]
    fn a_workflow_that_a_dispatch_does_not_start_says_why() {
        for (on, why) in [
            ("on: push", "add `workflow_dispatch`"),
            ("on: [push, workflow_dispatches]", "add `workflow_dispatch`"),
            ("on: { push: { branches: [workflow_dispatch] } }", "add `workflow_dispatch`"),
            ("# on: workflow_dispatch\njobs: {}", "add `workflow_dispatch`"),
            ("", "add `workflow_dispatch`"),
            ("on: [", "not valid YAML"),
            ("x: &e [push]\non: *e\n", "add `workflow_dispatch`"),
            ("on: { workflow_dispatch: { inputs: { where: { required: true } } } }", "its input `where`"),
        ] {
            let found = find_dispatch_obstacle(on).unwrap_or_default();
            assert!(found.contains(why), "{on}: {found}");
        }
    }
}
