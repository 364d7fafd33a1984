//! Checks whether a workflow can be started by a dispatch, by what its file says.

use crate::yaml::{NodeKind, YamlNode, parse_documents};

/// The event of a dispatch.
const DISPATCH: &str = "workflow_dispatch";

/// Why GitHub would not start this workflow without inputs. What cannot be read this way, GitHub judges.
pub fn find_dispatch_obstacle(text: &str) -> Option<String> {
    let roots = match parse_documents(text) {
        Ok(roots) => roots,
        Err(error) => return Some(format!("it is not valid YAML: {error}")),
    };
    let on = roots.first().and_then(|root| root.get("on"));
    let dispatch = match on.map(|on| (on, &on.kind)) {
        Some((on, NodeKind::Scalar { text, .. })) => (text == DISPATCH).then_some(on),
        Some((_, NodeKind::List(items))) => items.iter().find(|item| item.scalar_text() == Some(DISPATCH)),
        Some((on, NodeKind::Map(_))) => on.get(DISPATCH),
        Some((_, NodeKind::Alias(_))) => return None,
        None => None,
    };
    let Some(dispatch) = dispatch else {
        return Some(format!("add `{DISPATCH}` to its `on:` on the default branch"));
    };
    let input = find_required_input(dispatch)?;
    Some(format!("give its input `{input}` a `default`, or `required: false`: keytide sends none"))
}

/// The first input that a dispatch must bring.
fn find_required_input(dispatch: &YamlNode) -> Option<&str> {
    let is_required = |input: &YamlNode| {
        input.get("required").and_then(YamlNode::plain_text) == Some("true") && input.get("default").is_none()
    };
    let inputs = dispatch.get("inputs").map(YamlNode::fields).unwrap_or_default();
    inputs.iter().find(|input| is_required(&input.value)).map(|input| input.name())
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
            "x: &e [push]\non: *e\n",
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
            ("on: { workflow_dispatch: { inputs: { where: { required: true } } } }", "its input `where`"),
        ] {
            let found = find_dispatch_obstacle(on).unwrap_or_default();
            assert!(found.contains(why), "{on}: {found}");
        }
    }
}
