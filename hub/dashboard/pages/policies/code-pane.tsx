import type { ReactNode } from 'react';

/** Lines of a document, which scroll by themselves. @param label accessible name */
export const CodePane = ({ label, children }: { readonly label: string; readonly children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must scroll by keyboard, too.
  <section className="fso-code" tabIndex={0} aria-label={label}>
    <pre>
      <code>{children}</code>
    </pre>
  </section>
);
