//! Renders a set-up as Terraform resources in HCL.

use hcl::expr::{Conditional, FuncCall, Traversal};
use hcl::{Block, Body, Expression, Identifier, expr::Variable};
use serde::Serialize;

use super::set_up::{INLINE_POLICY, OidcProvider, REPOSITORY_TAG, Role, SetUp};
use crate::error::CommandError;

/// The variable that says whether the provider is created.
const CREATES_PROVIDER: &str = "create_oidc_provider";
const PROVIDER_TYPE: &str = "aws_iam_openid_connect_provider";
/// The name of the provider in Terraform.
const PROVIDER: &str = "github";

pub fn render_terraform(set_up: &SetUp) -> Result<String, CommandError> {
    let text = build_body(set_up).and_then(|body| hcl::to_string(&body)).map_err(|error| {
        CommandError::invalid(format!("the Terraform resources cannot be written: {error}"))
    })?;
    let text = align_assignments(text.trim_end());
    Ok(format!(
        "# Lets workflows of {} assume roles of AWS account {}.\n\
         # Needs a hashicorp/aws in which `thumbprint_list` is optional: 6, or a late 5.\n\
         # An account has one OIDC provider for all repositories. `aws iam list-open-id-connect-providers` lists it; if\n\
         # it is there: terraform apply -var {CREATES_PROVIDER}=false\n\n{text}\n",
        set_up.repository, set_up.account
    ))
}

/// Aligns the equals signs as `terraform fmt` does (hashicorp/hcl, `hclwrite/format.go`): within lines that follow each
/// other and whose values end on the same line.
fn align_assignments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out: Vec<String> = Vec::new();
    let mut start = 0;
    while start < lines.len() {
        let run = lines[start..].iter().map_while(|line| split_assignment(line)).collect::<Vec<_>>();
        if run.is_empty() {
            out.push(lines[start].to_owned());
            start += 1;
            continue;
        }
        let width = run.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        out.extend(run.iter().map(|(name, value)| format!("{name:width$} = {value}")));
        start += run.len();
    }
    out.join("\n")
}

/// The name and the value of a line, if its value ends on it.
fn split_assignment(line: &str) -> Option<(&str, &str)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let (mut equals, mut depth) = (None, 0);
    for (offset, c) in line.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '=' if equals.is_none() && line[offset..].starts_with("= ") => equals = Some(offset),
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
    }
    let equals = equals.filter(|_| depth == 0)?;
    Some((line[..equals].trim_end(), line[equals + 1..].trim_start()))
}

fn build_body(set_up: &SetUp) -> hcl::Result<Body> {
    let mut body = Body::builder().add_blocks(provider_blocks(&set_up.provider)?);
    for role in &set_up.roles {
        body = body.add_blocks(role_blocks(set_up, role)?);
    }
    Ok(body.build())
}

fn provider_blocks(provider: &OidcProvider) -> hcl::Result<[Block; 2]> {
    let variable = Block::builder("variable")
        .add_label(CREATES_PROVIDER)
        .add_attribute(("type", Variable::new("bool")?))
        .add_attribute(("default", true))
        .add_attribute(("description", "false if the account has the OIDC provider of the issuer already"))
        .build();
    let count = Conditional::new(reference(&["var", CREATES_PROVIDER])?, 1, 0);
    let resource = Block::builder("resource")
        .add_labels([PROVIDER_TYPE, PROVIDER])
        .add_attribute(("count", count))
        .add_attribute(("url", provider.url.as_str()))
        .add_attribute(("client_id_list", vec![provider.audience]))
        .build();
    Ok([variable, resource])
}

fn role_blocks(set_up: &SetUp, role: &Role) -> hcl::Result<Vec<Block>> {
    let name = format!("keytide_{}", role.word);
    let (trust, permissions) = (format!("{name}_trust"), format!("{name}_permissions"));
    let mut locals = Block::builder("locals").add_attribute((trust.as_str(), expression(&role.trust)?));
    if let Some(document) = &role.permissions {
        locals = locals.add_attribute((permissions.as_str(), expression(document)?));
    }
    let tags = Expression::from_iter([(REPOSITORY_TAG, set_up.repository.as_str())]);
    let mut resource = Block::builder("resource")
        .add_labels(["aws_iam_role", &name])
        .add_attribute(("name", role.name.as_str()))
        .add_attribute(("description", role.description.as_str()))
        .add_attribute(("assume_role_policy", json_of_local(&trust)?));
    if let Some(boundary) = &role.boundary {
        resource = resource.add_attribute(("permissions_boundary", boundary.as_str()));
    }
    let resource = resource
        .add_attribute(("tags", tags))
        .add_attribute(("depends_on", vec![reference(&[PROVIDER_TYPE, PROVIDER])?]));
    let mut blocks = vec![locals.build(), resource.build()];
    if role.permissions.is_some() {
        let policy = Block::builder("resource")
            .add_labels(["aws_iam_role_policy", &name])
            .add_attribute(("name", INLINE_POLICY))
            .add_attribute(("role", reference(&["aws_iam_role", &name, "id"])?))
            .add_attribute(("policy", json_of_local(&permissions)?));
        blocks.push(policy.build());
    }
    for (index, arn) in role.managed.iter().enumerate() {
        let attachment = Block::builder("resource")
            .add_labels(["aws_iam_role_policy_attachment", &format!("{name}_{}", index + 1)])
            .add_attribute(("role", reference(&["aws_iam_role", &name, "name"])?))
            .add_attribute(("policy_arn", arn.as_str()));
        blocks.push(attachment.build());
    }
    let output = Block::builder("output")
        .add_label(format!("{name}_role_arn"))
        .add_attribute(("value", reference(&["aws_iam_role", &name, "arn"])?));
    blocks.push(output.build());
    Ok(blocks)
}

/// A document as an object of Terraform: its texts are literals, so `${` in one is escaped.
fn expression(document: &impl Serialize) -> hcl::Result<Expression> {
    hcl::to_expression(document)
}

fn json_of_local(name: &str) -> hcl::Result<Expression> {
    let local = reference(&["local", name])?;
    Ok(FuncCall::builder("jsonencode").arg(local).build().into())
}

/// A reference such as `aws_iam_role.keytide_audit.arn`.
fn reference(parts: &[&str]) -> hcl::Result<Expression> {
    let [first, rest @ ..] = parts else { return Ok(Expression::Null) };
    let mut traversal = Traversal::builder(Variable::new(*first)?);
    for part in rest {
        traversal = traversal.attr(Identifier::new(*part)?);
    }
    Ok(traversal.build().into())
}

#[cfg(test)]
mod tests {
    use super::align_assignments;

    /// As `terraform fmt` writes it.
    const FORMATTED: &str = r#"variable "create" {
  type        = bool
  default     = true
  description = "a = { b"
}

locals {
  trust = {
    "Version" = "2012-10-17"
    "Statement" = [
      {
        "Sid"    = "A"
        "Effect" = "Allow"
        "Action" = [
          "a:b"
        ]
        "Resource" = "\"x\" = ["
      }
    ]
  }
  name = jsonencode(local.trust)
}"#;

    #[test]
    fn equals_signs_are_aligned_as_terraform_does() {
        let mut plain = FORMATTED.to_owned();
        while plain.contains("  =") {
            plain = plain.replace("  =", " =");
        }
        assert_ne!(plain, FORMATTED);
        assert_eq!(align_assignments(&plain), FORMATTED);
        assert_eq!(align_assignments(FORMATTED), FORMATTED, "nothing is left to do");
    }
}
