import { type PolicyView, policyKey } from '@fso/shared/api';
import { Button, CodeBlock, CodeBlockAction } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { policySourceQuery } from '../../../api/queries.ts';
import { CopyButton } from '../../../components/buttons.tsx';
import { Empty, QueryView } from '../../../components/empty-states.tsx';
import { RevisionLink } from '../../../components/links.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { NotInGit } from '../policy-origin.tsx';
import { type Token, tokenizeYaml } from './yaml-tokens.ts';

/** Scrollable pane with lines of a document. @param label accessible name */
export const CodePane = ({ label, children }: { readonly label: string; readonly children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable area must be scrollable by keyboard.
  <section className="fso-code" tabIndex={0} aria-label={label}>
    <pre>
      <code>{children}</code>
    </pre>
  </section>
);

/** Most lines that are shown at first. A document of a megabyte has tens of thousands. */
const FEW_LINES = 1000;

const Line = ({ number, tokens }: { readonly number: number; readonly tokens: readonly Token[] }) => (
  <span className="fso-source-line">
    <span className="fso-line-number" aria-hidden="true">
      {number}
    </span>
    <span className="fso-line-text">
      {tokens.map(({ kind, text }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of a line have no other identity.
        <span key={index} className={`fso-yaml-${kind}`}>
          {text}
        </span>
      ))}
      {'\n'}
    </span>
  </span>
);

interface YamlViewProps {
  readonly yaml: string;
  /** Number of the first line in the file. */
  readonly firstLine: number;
}

/**
 * Highlighted document, with the line numbers of its file. Its content is rendered as text, never
 * as markup.
 */
const YamlView = ({ yaml, firstLine }: YamlViewProps) => {
  const [isWhole, setWhole] = useState(false);
  const lines = useMemo(() => tokenizeYaml(yaml.replace(/\n$/, '')), [yaml]);
  const shown = isWhole ? lines : lines.slice(0, FEW_LINES);
  return (
    <CodeBlock
      actions={
        <CodeBlockAction>
          <CopyButton variant="plain" size="sm" text={yaml} label="Copy" />
        </CodeBlockAction>
      }
    >
      <CodePane label="Document of the policy">
        {shown.map((tokens, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number.
          <Line key={index} number={firstLine + index} tokens={tokens} />
        ))}
      </CodePane>
      {shown.length < lines.length ? (
        <Button variant="link" onClick={() => setWhole(true)}>
          Show all {formatNumber(lines.length)} lines
        </Button>
      ) : null}
    </CodeBlock>
  );
};

const FromGit = ({ policy }: { readonly policy: string }) => {
  const source = useQuery(policySourceQuery(policy));
  return (
    <QueryView query={source} what="the document of the policy" lines={10}>
      {({ path, line, revision, yaml }) =>
        yaml === '' ? (
          <Empty title="The document is empty" />
        ) : (
          <>
            <p className="fso-source-place">
              <code>
                {path}:{line}
              </code>{' '}
              at the commit in force, <RevisionLink revision={revision} />.{' '}
              <Link to="/plan" search={{ policy }}>
                Plan a change of it
              </Link>
            </p>
            <YamlView yaml={yaml} firstLine={line} />
          </>
        )
      }
    </QueryView>
  );
};

/** Document in Git. */
export const SourceTab = ({ policy }: { readonly policy: PolicyView }) =>
  policy.source === null ? <NotInGit policy={policy} what="document" /> : <FromGit policy={policyKey(policy)} />;
