import { Alert, Button, Card, CardBody, CardTitle, CodeBlock, CodeBlockCode, Content, List, ListItem } from '@patternfly/react-core';
import { useMemo } from 'react';
import { ActionLabel } from '../../../components/state-label.tsx';
import { Heading } from '../../../components/text.tsx';
import { decide, outcomeOf, type RegionRule, type RuleDecision } from './decide.ts';
import { findBlamedLines } from './fix.ts';
import { FixView } from './fix-view.tsx';
import type { LineRange } from './pasted-text.ts';
import type { Workload } from './workloads.ts';

const AROUND = 2;
/** Most lines of an excerpt: what fails may be long, and its beginning shows where it is. */
const MOST = 12;

interface ExcerptProps {
  /** Lines of the whole text. */
  readonly lines: readonly string[];
  readonly range: LineRange;
}

/** Lines of the pasted text with their numbers; those of the range have a mark before them. */
const Excerpt = ({ lines, range }: ExcerptProps) => {
  const last = Math.min(range.to, range.from + MOST - 1);
  const first = Math.max(1, range.from - AROUND);
  const shown = lines.slice(first - 1, last + AROUND).map((text, index) => ({ text, number: first + index }));
  return (
    <CodeBlock>
      <CodeBlockCode>
        {shown.map(({ text, number }) => {
          const isMarked = number >= range.from && number <= range.to;
          return (
            <span key={number} className={isMarked ? 'fso-code-line fso-code-marked' : 'fso-code-line'}>
              {`${isMarked ? '▸' : ' '} ${String(number).padStart(4)}  ${text.slice(0, 300)}`}
            </span>
          );
        })}
      </CodeBlockCode>
    </CodeBlock>
  );
};

interface VerdictCardProps {
  readonly workload: Workload;
  readonly rules: readonly RegionRule[];
  /** Reason for which it is unknown what governs the workload; undefined: it is known. */
  readonly gaps: string | undefined;
  readonly lines: readonly string[];
  /** Shows lines in the pasted text. */
  readonly onShow: (lines: LineRange) => void;
}

const DecisionLine = ({ rule, decision }: RuleDecision) => (
  <ListItem>
    <ActionLabel action={rule.action} /> {rule.policies.join(', ') || 'Regions as typed'}:{' '}
    {decision.admitted ? 'passes' : decision.violation}
    <div className="fso-muted">Allowed together: {rule.regions.join(', ') || 'no region'}</div>
  </ListItem>
);

const Notes = ({ workload: { boundTo, isDaemonSetPod } }: { readonly workload: Workload }) => (
  <>
    {boundTo === undefined ? null : (
      <Content component="small">
        This pod comes from a cluster and is bound to node {boundTo}. The checker ignores that choice of the scheduler and judges the
        constraints of the pod.
      </Content>
    )}
    {isDaemonSetPod ? (
      <Content component="small">
        Pods that a DaemonSet pins to one node by name pass admission; lock 1 decides by the region of the node when they are bound.
      </Content>
    ) : null}
  </>
);

export const VerdictCard = ({ workload, rules, gaps, lines, onShow }: VerdictCardProps) => {
  const decisions = useMemo(() => decide(workload.placement, rules), [workload, rules]);
  const { level, text, failed } = outcomeOf(decisions, workload, gaps);
  const violation = failed === undefined || failed.decision.admitted ? undefined : failed.decision.violation;
  const refusing = decisions.filter(({ decision }) => !decision.admitted).map(({ rule }) => rule);
  const strongestFirst = [...refusing, ...rules.filter((rule) => !refusing.includes(rule))];
  return (
    <Card isCompact>
      <CardTitle component="h3">
        {workload.kind} {workload.namespace === undefined ? '' : `${workload.namespace}/`}
        {workload.name}
      </CardTitle>
      <CardBody className="fso-stack">
        <Alert isInline variant={level} title={text} component="p" />
        <Notes workload={workload} />
        <List isPlain>
          {decisions.map((each) => (
            <DecisionLine key={`${each.rule.action} ${each.rule.policies.join(' ')}`} {...each} />
          ))}
        </List>
        {violation === undefined ? null : <Blame workload={workload} violation={violation} lines={lines} onShow={onShow} />}
        {violation === undefined ? null : (
          <>
            <Heading level={4}>Fix</Heading>
            <FixView workload={workload} violation={violation} rules={strongestFirst} />
          </>
        )}
      </CardBody>
    </Card>
  );
};

const Blame = ({ workload, violation, lines, onShow }: Omit<VerdictCardProps, 'rules' | 'gaps'> & { readonly violation: string }) => {
  const range = findBlamedLines(workload, violation);
  return (
    <>
      <Heading level={4}>What fails</Heading>
      <Excerpt lines={lines} range={range} />
      <Button variant="link" isInline onClick={() => onShow(range)}>
        {range.from === range.to ? `Show line ${range.from} in the text` : `Show lines ${range.from} to ${range.to} in the text`}
      </Button>
    </>
  );
};
