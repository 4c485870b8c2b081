//! Renders templates.

use super::ReportError;
use super::words::add_filters;
use minijinja::{AutoEscape, Environment, Value};

/// Renders a template. In a template whose name ends with `.html`, every value is escaped.
pub(super) fn render_template(name: &str, template: &str, values: Value) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment
        .set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    add_filters(&mut environment);
    environment.render_named_str(name, template, values).map_err(|error| ReportError::Render(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::render_template;
    use minijinja::context;

    #[test]
    fn a_page_shows_what_looks_like_a_tag_and_the_short_form_keeps_it() {
        let values = context! { name => "<b>&" };
        assert_eq!(render_template("a.html", "{{ name }}", values.clone()).unwrap(), "&lt;b&gt;&amp;");
        assert_eq!(render_template("a.md", "{{ name }}", values).unwrap(), "<b>&");
    }

    #[test]
    fn a_template_that_cannot_be_rendered_is_reported() {
        assert!(
            render_template("a.md", "{{ name", context! {}).unwrap_err().to_string().contains("cannot be rendered")
        );
    }
}
