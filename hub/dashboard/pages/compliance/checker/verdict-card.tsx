import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  CodeBlock,
  CodeBlockAction,
  CodeBlockCode,
  Content,
  FormSelect,
  FormSelectOption,
  List,
  ListItem,
} from '@patternfly/react-core';
import { useMemo, useState } from 'react';
import { CopyButton } from '../../../components/buttons.tsx';
import { DiffLines } from '../../../components/code/diff-lines.tsx';
import { ActionLabel } from '../../../components/state-label.tsx';
import { Heading } from '../../../components/text.tsx';
import type { LineRange } from '../../../lib/text-diff.ts';
import { decide, outcomeOf, type RegionRule, type RuleDecision } from './decide.ts';
import { findBlamedLines, fixRegions, planFix } from './fix.ts';
import type { Workload } from './workloads.ts';

interface FixViewProps {
  readonly workload: Workload;
  readonly violation: string;
  readonly rules: readonly RegionRule[];
}

/** Change that fixes a workload, and the whole result to copy. */
const FixView = ({ workload, violation, rules }: FixViewProps) => {
  const regions = useMemo(() => fixRegions(workload.placement, rules), [workload, rules]);
  const [chosen, setChosen] = useState('');
  const region = regions.includes(chosen) ? chosen : regions[0];
  if (region === undefined) return <Content component="p">No region is allowed. Ask the owners of the policies.</Content>;
  return (
    <>
      {regions.length > 1 ? (
        <FormSelect aria-label="Region that the fix confines it to" value={region} onChange={(_event, value) => setChosen(value)}>
          {regions.map((each) => (
            <FormSelectOption key={each} value={each} label={`Confine it to ${each}`} />
          ))}
        </FormSelect>
      ) : null}
      <Change workload={workload} violation={violation} rules={rules} region={region} />
    </>
  );
};

const Change = ({ workload, violation, rules, region }: FixViewProps & { readonly region: string }) => {
  const fix = useMemo(() => planFix(workload, { region, violation, rules }), [workload, violation, rules, region]);
  return (
    <>
      <CodeBlock
        actions={
          <CodeBlockAction>
            <CopyButton variant="link" text={fix.after} label="Copy the document with the change" />
          </CodeBlockAction>
        }
      >
        <DiffLines before={fix.before} after={fix.after} />
      </CodeBlock>
      {fix.also.map((line) => (
        <Content component="small" key={line}>
          {line.charAt(0).toUpperCase()}
          {line.slice(1)}.
        </Content>
      ))}
      <Content component="small" className="fso-muted">
        {fix.isEnough
          ? 'With this change, every policy that applies admits it.'
          : 'The policies that apply have no region in common; this change satisfies only the strongest one.'}
      </Content>
    </>
  );
};

const AROUND = 2;
/** Most lines of an excerpt. The cause can be long, and its beginning suffices to find it. */
const MOST = 12;

interface ExcerptProps {
  /** Lines of the whole text. */
  readonly lines: readonly string[];
  readonly range: LineRange;
}

/** Lines of the pasted text with their numbers. Those of the range are marked. */
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
  /** Reason why it is unknown what governs the workload; undefined if it is known. */
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
