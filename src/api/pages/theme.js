// Runs before the first paint, so that the page does not flash in the other colours.
(() => {
  const kKey = 'av-theme';
  const apply = (choice) => {
    const root = document.documentElement;
    if (choice === 'light' || choice === 'dark') root.dataset.theme = choice;
    else delete root.dataset.theme;
  };
  const read = () => {
    try { return localStorage.getItem(kKey) || 'system'; } catch { return 'system'; }
  };
  apply(read());
  globalThis.avTheme = {
    get: read,
    set(choice) {
      try { localStorage.setItem(kKey, choice); } catch { /* a private window: until it closes */ }
      apply(choice);
    },
  };
})();
