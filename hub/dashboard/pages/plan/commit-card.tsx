import type { PolicySourceView } from '@fso/shared/api';
import { Button, CodeBlock, Flex } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import type { ReactNode } from 'react';
import { CopyButton } from '../../components/buttons.tsx';
import { DiffLines } from '../../components/code/diff-lines.tsx';
import { Heading } from '../../components/text.tsx';
import { fileName, type PlanDraft } from './plan-draft.ts';

/** Downloads the text of a draft as a file. */
const download = (draft: PlanDraft): void => {
  const url = URL.createObjectURL(new Blob([draft.text], { type: 'application/yaml' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(draft);
  link.click();
  URL.revokeObjectURL(url);
};

interface CommitCardProps {
  /** The draft of the plan. */
  readonly draft: PlanDraft;
  /** Document that was edited; undefined: a new one. */
  readonly source: PolicySourceView | undefined;
}

/** Instructions for the edited document in the repository, which must not have a policy twice. */
const Former = ({ draft, source }: CommitCardProps): ReactNode => {
  if (source === undefined || (source.path === draft.path.trim() && source.line === 1)) return null;
  if (source.path === draft.path.trim()) return <> It takes the place of the one from line {source.line} on.</>;
  return (
    <>
      {' '}
      Take the one from line {source.line} of <code>{source.path}</code> out, unless the policy has another name now.
    </>
  );
};

/** Document to commit, with its changes. */
export const CommitCard = ({ draft, source }: CommitCardProps) => (
  <>
    <Heading level={3}>Commit it yourself</Heading>
    <p>
      The text was not saved. Write the document to <code>{draft.path.trim()}</code> of the policy repository, and open a pull request.
      <Former draft={draft} source={source} />
    </p>
    <Flex>
      <CopyButton variant="secondary" text={draft.text} label="Copy the document" />
      <Button variant="secondary" icon={<DownloadIcon />} onClick={() => download(draft)}>
        Download {fileName(draft)}
      </Button>
    </Flex>
    {source === undefined || source.yaml === draft.text ? null : (
      <CodeBlock>
        <DiffLines before={source.yaml} after={draft.text} />
      </CodeBlock>
    )}
  </>
);
