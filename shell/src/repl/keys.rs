//! Keys: emacs, or vi where `PACT_EDIT_MODE=vi` is in the environment.
//!
//! **Invariant:** no key starts an editor or any other program, Enter always submits, and no control character that a
//! paste brings along is ever shown raw.
//! **Why:** the choice of keys comes from the environment because it changes nothing but keys: whoever sets it for
//! somebody else changes how a line is edited, never what is allowed.

use reedline::{
    EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, Keybindings, PromptEditMode, ReedlineEvent, ReedlineRawEvent,
    Vi, default_emacs_keybindings, default_vi_insert_keybindings, default_vi_normal_keybindings,
    default_vi_visual_keybindings,
};

/// The menu of completions.
pub(super) const MENU: &str = "completions";

/// The keys that the environment asks for.
pub(super) fn edit_mode() -> Box<dyn EditMode> {
    let is_vi = std::env::var_os("PACT_EDIT_MODE").is_some_and(|mode| mode == "vi");
    if is_vi { Box::new(Plain(vi())) } else { Box::new(Plain(emacs())) }
}

fn emacs() -> Emacs {
    Emacs::new(ours(default_emacs_keybindings()))
}

fn vi() -> Vi {
    Vi::new(
        ours(default_vi_insert_keybindings()),
        without_editor(default_vi_normal_keybindings()),
        without_editor(default_vi_visual_keybindings()),
    )
}

fn without_editor(mut keys: Keybindings) -> Keybindings {
    keys.remove_binding(KeyModifiers::CONTROL, KeyCode::Char('o'));
    keys
}

/// What people's hands know from other shells: Ctrl-Z suspends, and here does nothing; Ctrl-_, which a terminal sends as
/// Ctrl-7, undoes; Ctrl-G gives up a search or a menu; Ctrl-W takes a word with its punctuation, such as a whole path.
fn as_elsewhere(mut keys: Keybindings) -> Keybindings {
    keys.remove_binding(KeyModifiers::CONTROL, KeyCode::Char('z'));
    keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('7'), ReedlineEvent::Edit(vec![EditCommand::Undo]));
    keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('g'), ReedlineEvent::Esc);
    let word = ReedlineEvent::Edit(vec![EditCommand::CutBigWordLeft]);
    keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('w'), word);
    keys
}

fn ours(keys: Keybindings) -> Keybindings {
    let mut keys = as_elsewhere(without_editor(keys));
    for modifier in [KeyModifiers::ALT, KeyModifiers::SHIFT] {
        keys.add_binding(modifier, KeyCode::Enter, ReedlineEvent::Enter);
    }
    let complete = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    keys
}

/// Keys whose text holds no control characters: what a paste brings along becomes visible instead. A line break between
/// lines stays, because the grammar refuses the whole line for it; one at the end, which a copied line brings along, does
/// not, and whoever pasted it presses Enter.
struct Plain<M>(M);

impl<M: EditMode> EditMode for Plain<M> {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let parsed = self.0.parse_event(event);
        let ReedlineEvent::Edit(commands) = parsed else { return parsed };
        ReedlineEvent::Edit(commands.into_iter().map(plain).collect())
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.0.edit_mode()
    }
}

fn plain(command: EditCommand) -> EditCommand {
    if let EditCommand::InsertString(text) = command {
        EditCommand::InsertString(text.trim_end_matches(['\n', '\r']).chars().map(visible).collect())
    } else if let EditCommand::InsertChar(c) = command {
        EditCommand::InsertChar(visible(c))
    } else {
        command
    }
}

/// What stands for a control character. It is in no name and in no schema.
pub(super) fn visible(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_starts_an_editor_or_breaks_a_line() {
        let every = [
            ours(default_emacs_keybindings()),
            ours(default_vi_insert_keybindings()),
            without_editor(default_vi_normal_keybindings()),
            without_editor(default_vi_visual_keybindings()),
        ];
        for keys in every {
            for (key, event) in keys.get_keybindings() {
                let text = format!("{event:?}");
                assert!(!text.contains("OpenEditor") && !text.contains("ExecuteHostCommand"), "{key:?}: {text}");
                assert!(!text.contains("InsertNewline"), "{key:?}: {text}");
            }
        }
    }

    #[test]
    fn a_paste_shows_its_control_characters_and_keeps_its_line_breaks() {
        let pasted = plain(EditCommand::InsertString("a\u{1b}]52;c;x\u{7}\nb\u{9b}\tc".to_owned()));
        assert_eq!(pasted, EditCommand::InsertString("a\u{fffd}]52;c;x\u{fffd}\nb\u{fffd}\tc".to_owned()));
        let copied = plain(EditCommand::InsertString("uname\r\n".to_owned()));
        assert_eq!(copied, EditCommand::InsertString("uname".to_owned()));
    }
}
