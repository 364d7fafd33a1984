//! Computes the value of an expression over the literals of a folder: local values, variables, `for_each`, `count`, `for`
//! and references to IAM users. Depth and work are bounded, so that no file can make it slow.

use std::cell::Cell;
use std::rc::Rc;

use hcl_edit::expr::{
    BinaryOperator, Conditional, Expression, ForExpr, FuncCall, Object, ObjectKey, Traversal,
    TraversalOperator,
};
use hcl_edit::template::{Element, StringTemplate};

use super::folder::{ConfigFolder, VariableValue};
use super::functions::call_function;
use super::instances::{Instances, Scope, count_instances, key_instances};
use super::parse::{IAM_USER, Resource, only_interpolation};
use super::value::{MAX_ELEMENTS, MAX_TEXT_BYTES, Value};
use super::work::WorkBudget;

/// How deeply expressions and references may be nested, and how many attributes and indexes may follow a name; what has
/// more is unknown. A local value may name itself.
const MAX_DEPTH: usize = 40;

/// Evaluates expressions of one folder, for as long as there is work left.
pub struct Evaluator<'f> {
    folder: &'f ConfigFolder,
    work: &'f WorkBudget,
    used_default: Cell<bool>,
    used_variable: Cell<bool>,
}

impl<'f> Evaluator<'f> {
    pub fn new(folder: &'f ConfigFolder, work: &'f WorkBudget) -> Self {
        let (used_default, used_variable) = (Cell::new(false), Cell::new(false));
        Self { folder, work, used_default, used_variable }
    }

    /// Whether the default of a variable, which a caller can replace, was part of a value since the last call.
    pub fn take_used_default(&self) -> bool {
        self.used_default.take()
    }

    /// The instances of a resource.
    pub fn list_instances(&self, resource: &Resource) -> Instances {
        self.instances_at(resource, 0)
    }

    pub fn evaluate(&self, expression: &Expression, scope: &Scope) -> Value {
        self.value_at(expression, scope, 0)
    }

    fn instances_at(&self, resource: &Resource, depth: usize) -> Instances {
        let (count, each) = (resource.attribute("count"), resource.attribute("for_each"));
        let Some(repetition) = count.or(each) else { return Instances::One };
        // Only of this expression: where a variable decides, "none" may be another number at the next apply.
        let before = self.used_variable.replace(false);
        let value = self.value_at(repetition, &Scope::default(), depth + 1);
        let is_variable = self.used_variable.replace(before || self.used_variable.get());
        let instances = if count.is_some() { count_instances(&value) } else { key_instances(&value) };
        match instances {
            Instances::Counted(all) if all.is_empty() && is_variable => Instances::Unknown,
            Instances::Keyed(all) if all.is_empty() && is_variable => Instances::Unknown,
            instances => instances,
        }
    }

    fn value_at(&self, expression: &Expression, scope: &Scope, depth: usize) -> Value {
        if depth > MAX_DEPTH || !self.work.spend(1) {
            return Value::Unknown;
        }
        let depth = depth + 1;
        match expression {
            Expression::String(text) => Value::text(text.as_str()),
            Expression::Number(number) => number.as_u64().map_or(Value::Unknown, Value::Number),
            Expression::Bool(value) => Value::Bool(**value),
            Expression::Array(items) if items.len() <= MAX_ELEMENTS => {
                Value::list(items.iter().map(|item| self.value_at(item, scope, depth)).collect())
            }
            Expression::Object(object) if object.len() <= MAX_ELEMENTS => {
                self.object_at(object, scope, depth)
            }
            Expression::StringTemplate(template) => self.template_at(template, scope, depth),
            Expression::Parenthesis(inner) => self.value_at(inner.inner(), scope, depth),
            Expression::Variable(name) => scope.binding(name.as_str()),
            Expression::Traversal(traversal) => self.traversal_at(traversal, scope, depth),
            Expression::FuncCall(call) => self.call_at(call, scope, depth),
            Expression::Conditional(conditional) => self.conditional_at(conditional, scope, depth),
            Expression::ForExpr(expression) => self.for_at(expression, scope, depth),
            Expression::BinaryOp(operation) => {
                let left = self.value_at(&operation.lhs_expr, scope, depth);
                let right = self.value_at(&operation.rhs_expr, scope, depth);
                self.compare(&left, *operation.operator, &right)
            }
            _ => Value::Unknown,
        }
    }

    fn object_at(&self, object: &Object, scope: &Scope, depth: usize) -> Value {
        let mut fields = Vec::new();
        for (key, value) in object.iter() {
            let key = match key {
                ObjectKey::Ident(name) => Value::text(name.as_str()),
                ObjectKey::Expression(expression) => self.value_at(expression, scope, depth),
            };
            // One unknown key makes the set of keys unknown.
            let Some(key) = key.to_text() else { return Value::Unknown };
            fields.push((key, self.value_at(value.expr(), scope, depth)));
        }
        Value::map(fields)
    }

    fn template_at(&self, template: &StringTemplate, scope: &Scope, depth: usize) -> Value {
        if let Some(only) = only_interpolation(template) {
            return self.value_at(only, scope, depth);
        }
        let mut text = String::new();
        for element in template.iter() {
            let part = match element {
                Element::Literal(literal) => Value::text(literal.as_str()),
                Element::Interpolation(inner) => self.value_at(&inner.expr, scope, depth),
                Element::Directive(_) => Value::Unknown,
            };
            let Some(part) = part.to_text().filter(|part| text.len() + part.len() <= MAX_TEXT_BYTES) else {
                return Value::Unknown;
            };
            text.push_str(&part);
        }
        Value::Text(text)
    }

    fn call_at(&self, call: &FuncCall, scope: &Scope, depth: usize) -> Value {
        // `f(list...)` has as many arguments as the list has elements.
        if call.args.expand_final() || call.name.is_namespaced() {
            return Value::Unknown;
        }
        let arguments: Vec<Value> =
            call.args.iter().map(|argument| self.value_at(argument, scope, depth)).collect();
        // Before the call: it reads all of them.
        if !self.work.spend(arguments.iter().map(Value::element_count).sum()) {
            return Value::Unknown;
        }
        match call_function(call.name.name.as_str(), &arguments) {
            Value::List(items) if items.len() > MAX_ELEMENTS => Value::Unknown,
            Value::Map(fields) if fields.len() > MAX_ELEMENTS => Value::Unknown,
            value => value,
        }
    }

    /// Where the condition is not known, both values have to be the same.
    fn conditional_at(&self, conditional: &Conditional, scope: &Scope, depth: usize) -> Value {
        let chosen = match self.value_at(&conditional.cond_expr, scope, depth) {
            Value::Bool(true) => &conditional.true_expr,
            Value::Bool(false) => &conditional.false_expr,
            _ => {
                let one = self.value_at(&conditional.true_expr, scope, depth);
                let other = self.value_at(&conditional.false_expr, scope, depth);
                return if one.equals(&other, self.work) == Some(true) { one } else { Value::Unknown };
            }
        };
        self.value_at(chosen, scope, depth)
    }

    fn for_at(&self, expression: &ForExpr, scope: &Scope, depth: usize) -> Value {
        let collection = self.value_at(&expression.intro.collection_expr, scope, depth);
        let Some(entries) = collection.entries().filter(|_| !expression.grouping) else {
            return Value::Unknown;
        };
        let Some(names) = name_bindings(expression) else { return Value::Unknown };
        let (mut items, mut fields) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            if !self.work.spend(scope.binding_count()) {
                return Value::Unknown;
            }
            let key = expression.intro.key_var.as_ref().map(|_| key);
            let inner = scope.bind(&names, key.into_iter().chain([value]));
            let condition = expression.cond.as_ref().map(|cond| self.value_at(&cond.expr, &inner, depth));
            match condition {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => continue,
                Some(_) => return Value::Unknown,
            }
            let value = self.value_at(&expression.value_expr, &inner, depth);
            match &expression.key_expr {
                None => items.push(value),
                Some(key) => match self.value_at(key, &inner, depth).to_text() {
                    Some(key) => fields.push((key, value)),
                    None => return Value::Unknown,
                },
            }
        }
        if expression.key_expr.is_some() { Value::map(fields) } else { Value::list(items) }
    }

    fn traversal_at(&self, traversal: &Traversal, scope: &Scope, depth: usize) -> Value {
        if traversal.operators.len() > MAX_DEPTH {
            return Value::Unknown;
        }
        let operators: Vec<&TraversalOperator> = traversal.operators.iter().map(|one| &**one).collect();
        if operators.iter().any(|operator| is_long_name(operator)) {
            return Value::Unknown;
        }
        let Expression::Variable(root) = &traversal.expr else {
            let value = self.value_at(&traversal.expr, scope, depth);
            return self.follow(value, &operators, scope, depth);
        };
        let (value, rest) = match (root.as_str(), &operators[..]) {
            ("each", [TraversalOperator::GetAttr(name), rest @ ..]) => (scope.each_part(name.as_str()), rest),
            ("count", [TraversalOperator::GetAttr(_), rest @ ..]) => (scope.count_index(), rest),
            ("local", [TraversalOperator::GetAttr(name), rest @ ..]) => {
                let local = self.folder.local(name.as_str());
                // A local value knows nothing of the place that it is used in.
                let value =
                    local.map_or(Value::Unknown, |value| self.value_at(value, &Scope::default(), depth));
                (value, rest)
            }
            ("var", [TraversalOperator::GetAttr(name), rest @ ..]) => {
                (self.variable_at(name.as_str(), depth), rest)
            }
            (IAM_USER, [TraversalOperator::GetAttr(name), rest @ ..]) => {
                (self.user_at(self.folder.find_resource(false, IAM_USER, name.as_str()), depth), rest)
            }
            ("data", [TraversalOperator::GetAttr(kind), TraversalOperator::GetAttr(name), rest @ ..])
                if kind.as_str() == IAM_USER =>
            {
                (self.user_at(self.folder.find_resource(true, IAM_USER, name.as_str()), depth), rest)
            }
            (name, rest) => (scope.binding(name), rest),
        };
        self.follow(value, rest, scope, depth)
    }

    fn follow(&self, value: Value, operators: &[&TraversalOperator], scope: &Scope, depth: usize) -> Value {
        let Some((first, rest)) = operators.split_first() else { return value };
        if !self.work.spend(1) {
            return Value::Unknown;
        }
        let next = match first {
            TraversalOperator::GetAttr(name) => value.attribute(name.as_str()),
            TraversalOperator::Index(key) => match &value {
                // Also with a key that is not known: all elements are alike.
                Value::Repeated(item) => Value::clone(item),
                value => value.element(&self.value_at(key, scope, depth)),
            },
            TraversalOperator::LegacyIndex(index) => value.element(&Value::Number(**index)),
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                return match value {
                    Value::List(items) if !self.work.spend(items.len()) => Value::Unknown,
                    Value::List(items) => {
                        let each = items.iter().map(|item| self.follow(item.clone(), rest, scope, depth));
                        Value::list(each.collect())
                    }
                    Value::Repeated(item) => {
                        Value::Repeated(self.follow(Value::clone(&item), rest, scope, depth).into())
                    }
                    _ => Value::Unknown,
                };
            }
        };
        self.follow(next, rest, scope, depth)
    }

    fn variable_at(&self, name: &str, depth: usize) -> Value {
        self.used_variable.set(true);
        match self.folder.variable(name) {
            Some(VariableValue::Default(value)) => {
                self.used_default.set(true);
                self.value_at(value, &Scope::default(), depth)
            }
            Some(VariableValue::Assigned(value)) => self.value_at(value, &Scope::default(), depth),
            Some(VariableValue::Unset | VariableValue::Ambiguous) | None => Value::Unknown,
        }
    }

    /// An IAM user as a value: what an access key may name it by.
    fn user_at(&self, resource: Option<&Resource>, depth: usize) -> Value {
        let Some(resource) = resource else { return Value::Unknown };
        match self.instances_at(resource, depth) {
            Instances::One => self.user_fields(resource, &Scope::default(), depth),
            Instances::Counted(scopes) if !self.work.spend(scopes.len()) => Value::Unknown,
            Instances::Counted(scopes) => {
                Value::list(scopes.iter().map(|scope| self.user_fields(resource, scope, depth)).collect())
            }
            Instances::Keyed(scopes) => {
                let mut fields = Vec::new();
                for (key, scope) in scopes {
                    fields.push((key, self.user_fields(resource, &scope, depth)));
                }
                Value::map(fields)
            }
            Instances::Unknown => {
                Value::Repeated(self.user_fields(resource, &Scope::default(), depth).into())
            }
        }
    }

    /// The ID of an `aws_iam_user` is its name.
    fn user_fields(&self, resource: &Resource, scope: &Scope, depth: usize) -> Value {
        let (attribute, names): (&str, &[&str]) =
            if resource.is_data { ("user_name", &["user_name"]) } else { ("name", &["name", "id"]) };
        let name =
            resource.attribute(attribute).map_or(Value::Unknown, |name| self.value_at(name, scope, depth));
        Value::map(names.iter().map(|field| ((*field).to_owned(), name.clone())).collect())
    }

    fn compare(&self, left: &Value, operator: BinaryOperator, right: &Value) -> Value {
        match (operator, left, right) {
            (BinaryOperator::Eq, ..) => left.equals(right, self.work).map_or(Value::Unknown, Value::Bool),
            (BinaryOperator::NotEq, ..) => {
                left.equals(right, self.work).map_or(Value::Unknown, |is_equal| Value::Bool(!is_equal))
            }
            (BinaryOperator::Less, Value::Number(left), Value::Number(right)) => Value::Bool(left < right),
            (BinaryOperator::Greater, Value::Number(left), Value::Number(right)) => Value::Bool(left > right),
            _ => Value::Unknown,
        }
    }
}

/// The names that a `for` gives a value to in each pass; `None` where one is too long.
fn name_bindings(expression: &ForExpr) -> Option<Vec<Rc<str>>> {
    let intro = &expression.intro;
    let names = intro.key_var.iter().chain([&intro.value_var]).map(|name| name.as_str());
    names.map(|name| (name.len() <= MAX_TEXT_BYTES).then(|| Rc::from(name))).collect()
}

/// Whether it is an attribute with a longer name than any that is looked up: to look one up costs as much as it is long.
fn is_long_name(operator: &TraversalOperator) -> bool {
    matches!(operator, TraversalOperator::GetAttr(name) if name.as_str().len() > MAX_TEXT_BYTES)
}
