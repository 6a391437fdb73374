/**
 * All keys in one table: it drives what a key does, the footer, and the help.
 *
 * @module
 */

/** The pages of one run, in their order. */
export const DETAIL_PAGES = [
  "overview",
  "log",
  "checkpoints",
  "settings",
  "problems",
] as const;
/** One of them. */
export type DetailPage = typeof DETAIL_PAGES[number];

/** What can be on the screen. */
export type ScreenName =
  | "runs"
  | "empty"
  | DetailPage
  | "removed"
  | "form"
  | "resume"
  | "review"
  | "generate"
  | "confirm"
  | "filter"
  | "help";

/** Some keys and what they do. */
export interface Binding {
  /** What the screen is told. */
  readonly action: string;
  readonly keys: readonly string[];
  /** In the footer; empty: only in the help. */
  readonly label: string;
  readonly help: string;
}

const bind = (
  keys: string,
  action: string,
  label: string,
  help: string,
): Binding => ({ action, keys: keys.split(" "), label, help });

const HELP = bind("?", "help", "help", "all keys of this screen");
const QUIT = bind("q ctrl-c", "quit", "quit", "quit; training goes on");
const BACK = bind("esc", "back", "back", "back");
const LEAVE = bind("ctrl-c", "quit", "", "quit; training goes on");
const SUSPEND = bind("ctrl-z", "suspend", "", "to the shell; fg comes back");
const TYPING_HELP = bind(
  "ctrl-g ?",
  "help",
  "help",
  "all keys; ? where it is no text",
);
const PACE = [
  bind("+ =", "faster", "", "refresh more often"),
  bind("-", "slower", "", "refresh less often"),
  bind("p", "pause", "pause", "stand still, and go on"),
];
const RUN_KEYS = [
  bind("n", "new", "new", "start a run"),
  bind("r", "resume", "resume", "go on with the run, or train it for longer"),
  bind("s", "stop", "stop", "let the run save a checkpoint and end"),
  bind("g", "generate", "generate", "write text with the run"),
  bind("f", "trainOn", "", "start a run that trains this model on"),
  bind("d", "delete", "delete", "remove the run and its checkpoints"),
];
const SCROLL_KEYS = [
  bind("up k", "up", "", "one up"),
  bind("down j", "down", "", "one down"),
  bind("pageup", "pageup", "", "a page up"),
  bind("pagedown", "pagedown", "", "a page down"),
  bind("home", "home", "", "to the first"),
  bind("end G", "end", "", "to the last"),
];
const FORM_KEYS = [
  bind("up shift-tab", "previous", "", "the field before"),
  bind("down tab", "next", "field", "the next field"),
  bind("left", "left", "", "in ‹ ›: the choice before; else the cursor"),
  bind("right", "right", "", "in ‹ ›: the next choice; else the cursor"),
  bind("home ctrl-a", "start", "", "the cursor to the start"),
  bind("end ctrl-e", "end", "", "the cursor to the end"),
  bind("backspace", "backspace", "", "delete the character before"),
  bind("delete", "delete", "", "delete the character at the cursor"),
  bind("ctrl-u", "clear", "", "empty the field"),
];
const DETAIL_KEYS = [
  BACK,
  bind("tab", "nextTab", "tab", "the next page"),
  ...RUN_KEYS.slice(1),
];
const PAGE_KEYS = [
  bind("shift-tab", "previousTab", "", "the page before"),
  ...DETAIL_PAGES.map((page, i) => bind(`${i + 1}`, `tab${i + 1}`, "", page)),
];
const REST = [...PACE, HELP, SUSPEND, QUIT];

/** By screen, the most used first. */
export const KEYMAP: Readonly<Record<ScreenName, readonly Binding[]>> = {
  runs: [
    bind("enter", "open", "open", "look at the run"),
    ...RUN_KEYS,
    bind("/", "filter", "filter", "show only some runs"),
    bind("o", "sort", "sort", "sort by the next column"),
    bind("O", "reverse", "", "sort the other way round"),
    bind("esc", "clearFilter", "", "show all runs again"),
    ...SCROLL_KEYS,
    ...REST,
  ],
  empty: [
    ...RUN_KEYS.slice(0, 1),
    ...REST,
  ],
  overview: [
    ...DETAIL_KEYS,
    bind("z", "zoomIn", "zoom", "only the last part of the curves"),
    bind("x", "zoomOut", "", "more of the curves"),
    bind("left h", "left", "", "earlier steps, when zoomed in"),
    bind("right l", "right", "", "later steps, when zoomed in"),
    bind("e", "smooth", "smooth", "smooth the curves more, or not at all"),
    bind("y", "log", "log y", "a logarithmic axis, or not"),
    ...PAGE_KEYS,
    ...REST,
  ],
  log: [...DETAIL_KEYS, ...SCROLL_KEYS, ...PAGE_KEYS, ...REST],
  checkpoints: [...DETAIL_KEYS, ...SCROLL_KEYS, ...PAGE_KEYS, ...REST],
  settings: [...DETAIL_KEYS, ...SCROLL_KEYS, ...PAGE_KEYS, ...REST],
  problems: [...DETAIL_KEYS, ...SCROLL_KEYS, ...PAGE_KEYS, ...REST],
  removed: [BACK, ...REST],
  form: [
    bind("enter", "submit", "go on", "to the summary"),
    ...FORM_KEYS,
    bind("ctrl-y", "copy", "copy command", "copy the command line"),
    TYPING_HELP,
    BACK,
    SUSPEND,
    LEAVE,
  ],
  resume: [
    bind("enter", "submit", "go on", "to the summary"),
    ...FORM_KEYS,
    bind("ctrl-y", "copy", "copy command", "copy the command line"),
    TYPING_HELP,
    BACK,
    SUSPEND,
    LEAVE,
  ],
  review: [
    bind("enter", "submit", "start", "start it; when it runs: look at it"),
    bind("c ctrl-y", "copy", "copy command", "copy the command line"),
    bind(
      "t",
      "probe",
      "time it",
      "train a few steps to tell how long it takes",
    ),
    BACK,
    HELP,
    SUSPEND,
    QUIT,
  ],
  generate: [
    bind("enter", "submit", "write", "write a text"),
    bind("ctrl-r", "again", "again", "another text: with the next seed"),
    bind("ctrl-s", "halt", "stop", "stop writing"),
    ...FORM_KEYS,
    bind("ctrl-p", "older", "history", "the text before"),
    bind("ctrl-n", "newer", "", "the text after"),
    bind("pageup", "pageup", "", "scroll the text up"),
    bind("pagedown", "pagedown", "", "scroll the text down"),
    TYPING_HELP,
    BACK,
    SUSPEND,
    LEAVE,
  ],
  confirm: [
    bind("y", "yes", "yes", "do it"),
    bind("n esc q", "no", "no", "leave it"),
    SUSPEND,
    LEAVE,
  ],
  filter: [
    bind("enter", "submit", "keep", "keep the filter"),
    bind("esc", "back", "clear", "show all runs again"),
    bind("backspace", "backspace", "", "delete the last character"),
    bind("ctrl-g", "help", "help", "all keys"),
    SUSPEND,
    LEAVE,
  ],
  help: [
    bind("esc ? q enter ctrl-g", "back", "close", "close the help"),
    ...SCROLL_KEYS,
    SUSPEND,
    LEAVE,
  ],
};

/** The action of a key on a screen, or null. */
export function actionOf(screen: ScreenName, key: string): string | null {
  return KEYMAP[screen].find(({ keys }) => keys.includes(key))?.action ?? null;
}

/** How keys are written for people. */
const SIGNS: Record<string, string> = {
  up: "↑",
  down: "↓",
  left: "←",
  right: "→",
  enter: "Enter",
  pageup: "PgUp",
  pagedown: "PgDn",
  home: "Home",
  end: "End",
  tab: "Tab",
  "shift-tab": "Shift+Tab",
  esc: "Esc",
};

/** `Enter`, `^R`, `n`. */
export function keySign(key: string): string {
  const ctrl = /^ctrl-(.)$/.exec(key);
  return ctrl ? `^${ctrl[1].toUpperCase()}` : SIGNS[key] ?? key;
}
