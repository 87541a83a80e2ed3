import type { AuditEntry } from '@fso/shared/api';
import { ClipboardCopy, CodeBlock, CodeBlockCode, DescriptionList, Title } from '@patternfly/react-core';
import { Fact } from '../../components/fact.tsx';
import { RelativeTime } from '../../components/relative-time.tsx';
import { exactTime } from '../../lib/time.ts';

export const EntryDetail = ({ entry }: { readonly entry: AuditEntry }) => {
  const { time, actor, from, action, subject, detail, previous, hash } = entry;
  return (
    <div className="fso-stack">
      <DescriptionList isCompact isHorizontal>
        <Fact term="Time">
          {exactTime(Date.parse(time))}, <RelativeTime time={time} />
        </Fact>
        <Fact term="Actor">{actor.id}</Fact>
        <Fact term="Kind">{actor.kind}</Fact>
        <Fact term="Roles">{actor.roles.join(', ') || 'none'}</Fact>
        <Fact term="Action">
          <code>{action}</code>
        </Fact>
        <Fact term="Subject">{subject}</Fact>
        <Fact term="From">{from ?? 'no request'}</Fact>
      </DescriptionList>
      <Title headingLevel="h3" size="md">
        Detail
      </Title>
      <CodeBlock>
        <CodeBlockCode>{JSON.stringify(detail, null, 2)}</CodeBlockCode>
      </CodeBlock>
      <Title headingLevel="h3" size="md">
        Place in the chain
      </Title>
      <Hash term="Hash of the entry before" hash={previous} />
      <Hash term="Hash of this entry" hash={hash} />
    </div>
  );
};

const Hash = ({ term, hash }: { readonly term: string; readonly hash: string }) => (
  <div>
    <div className="fso-muted">{term}</div>
    <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel={term}>
      {hash}
    </ClipboardCopy>
  </div>
);
