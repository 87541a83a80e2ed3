import { Alert, Button, Content, Form, FormGroup, Grid, GridItem, TextArea, TextInput } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useDeferredValue, useId, useMemo, useRef, useState } from 'react';
import { type FindingRef, findingKey, parseFindingKey, violationsQuery } from '../../../api/queries.ts';
import { Copyable } from '../../../components/buttons.tsx';
import { ErrorState, Loading } from '../../../components/empty-states.tsx';
import { Heading } from '../../../components/text.tsx';
import { listInspectCommands } from '../../../lib/commands.ts';
import { useSearchChange } from '../../../lib/filters.ts';
import { rowsOf } from '../../../lib/paged-list.ts';
import { showLines } from '../../../lib/show-lines.ts';
import type { LineRange } from '../../../lib/text-diff.ts';
import { useDebouncedText } from '../../../lib/use-debounced-text.ts';
import { ComplianceFrame } from '../compliance-frame.tsx';
import type { NamespaceGovernance } from './decide.ts';
import { GovernanceForm } from './governance-form.tsx';
import { type GoverningRules, type RuleChoice, useRules } from './use-rules.ts';
import { VerdictCard } from './verdict-card.tsx';
import { type PastedWorkloads, readWorkloads } from './workloads.ts';

interface PickerProps {
  readonly picked: string | undefined;
  readonly onPick: (ref: FindingRef | undefined) => void;
}

/** Field to find a workload among the reported violations by a part of its name. */
const ViolationPicker = ({ picked, onPick }: PickerProps) => {
  const id = useId();
  const [q, setQ] = useState<string>();
  const choose = (typed: string | undefined): void => {
    const ref = typed === undefined ? undefined : parseFindingKey(typed);
    if (typed === undefined || ref !== undefined) onPick(ref);
    else setQ(typed);
  };
  const { text, setText } = useDebouncedText(picked ?? '', { onPause: choose });
  const { data } = useInfiniteQuery({ ...violationsQuery({ q, limit: 50 }), placeholderData: keepPreviousData });
  return (
    <FormGroup label="Or pick a reported violation" fieldId={id}>
      <TextInput
        id={id}
        placeholder="Type a part of its name"
        value={text}
        list={`${id}-list`}
        onChange={(_event, typed) => setText(typed)}
      />
      <datalist id={`${id}-list`}>
        {rowsOf(data).map((violation) => (
          <option key={findingKey(violation)} value={findingKey(violation)} label={violation.reason} />
        ))}
      </datalist>
    </FormGroup>
  );
};

/** Reason that the agent reports, and the command that prints the object. */
const PickedViolation = ({ of }: { readonly of: FindingRef }) => {
  const { cluster, policy, namespace, kind, name } = of;
  const { data, isSuccess } = useInfiniteQuery(violationsQuery({ cluster, policy, namespace, kind, name }));
  const [violation] = rowsOf(data);
  if (violation === undefined) {
    return isSuccess ? <Alert isInline isPlain variant="info" title="No longer a reported violation" component="p" /> : null;
  }
  const [get] = listInspectCommands(violation);
  return (
    <Alert isInline variant="warning" title={`Reported by the agent of ${cluster}: ${violation.reason}`} component="p">
      <Content component="small">
        The hub has the verdict, not the object. To check and fix it here, paste the output of this command:
      </Content>
      <Copyable label="Command that prints the object">{get?.command ?? ''}</Copyable>
    </Alert>
  );
};

const route = getRouteApi('/shell/compliance/checker');

const TEXT_FIELD = 'pasted';

const searchOf = (ref: FindingRef | undefined) =>
  ref === undefined
    ? { picked: undefined }
    : { picked: findingKey(ref), by: 'namespace' as const, cluster: ref.cluster, namespace: ref.namespace };

export const CheckerPage = () => {
  const { by = 'policy', picked, ...chosen } = route.useSearch();
  const choice: RuleChoice = { by, ...chosen };
  const rules = useRules(choice);
  const [text, setText] = useState('');
  const settled = useDeferredValue(text);
  const pasted = useMemo(() => readWorkloads(settled), [settled]);
  const lines = useMemo(() => settled.split('\n'), [settled]);
  const field = useRef<HTMLTextAreaElement>(null);
  const change = useSearchChange();
  const pick = (ref: FindingRef | undefined): void => change(searchOf(ref));
  const ref = picked === undefined ? undefined : parseFindingKey(picked);
  const show = (range: LineRange): void => {
    if (field.current !== null) showLines(field.current, lines, range);
  };
  return (
    <ComplianceFrame description="Check whether pods would be admitted, which part fails, and how to fix it.">
      <Grid hasGutter>
        <GridItem xl={6}>
          <Form onSubmit={(event) => event.preventDefault()}>
            <Heading level={2}>Judged by</Heading>
            <GovernanceForm choice={choice} onChange={change} />
            <ViolationPicker picked={picked} onPick={pick} />
            {ref === undefined ? null : <PickedViolation of={ref} />}
            <FormGroup label="Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob, as YAML or JSON" fieldId={TEXT_FIELD}>
              <TextArea
                id={TEXT_FIELD}
                ref={field}
                className="fso-paste"
                value={text}
                onChange={(_event, typed) => setText(typed)}
                resizeOrientation="vertical"
                spellCheck={false}
                placeholder={'apiVersion: v1\nkind: Pod\n…'}
                aria-describedby="pasted-note"
              />
              <Content component="small" className="fso-muted" id="pasted-note">
                This browser judges it with the same code as the agents; the text is not sent anywhere. Up to 100 documents, 256 KiB.
              </Content>
            </FormGroup>
          </Form>
        </GridItem>
        <GridItem xl={6} className="fso-stack">
          <Heading level={2}>Verdict</Heading>
          <Governance rules={rules} choice={choice} />
          <Problems pasted={pasted} onShow={show} />
          {rules.state === 'known'
            ? pasted.workloads.map((workload, index) => (
                <VerdictCard
                  // biome-ignore lint/suspicious/noArrayIndexKey: objects of a text are identified by their position only.
                  key={index}
                  workload={workload}
                  rules={rules.rules}
                  gaps={rules.gaps}
                  lines={lines}
                  onShow={show}
                />
              ))
            : null}
          <p role="status" className="pf-v6-screen-reader">
            {summaryOf(pasted)}
          </p>
          {settled.trim() === '' ? (
            <Content component="p" className="fso-muted">
              Paste a workload to see its verdict.
            </Content>
          ) : null}
          <Content component="small" className="fso-muted">
            Placement injection is not simulated: a policy that uses it gives the allowed regions to a pod without a region before the pod
            is judged.
          </Content>
        </GridItem>
      </Grid>
    </ComplianceFrame>
  );
};

const summaryOf = ({ workloads, problems }: PastedWorkloads): string =>
  workloads.length + problems.length === 0 ? '' : `${workloads.length} judged, ${problems.length} could not be read`;

const Governance = ({ rules, choice }: { readonly rules: GoverningRules; readonly choice: RuleChoice }) => {
  if (rules.state === 'open') return <Alert isInline isPlain variant="info" title={rules.ask} component="p" />;
  if (rules.state === 'loading') return <Loading what="Loading the policies" lines={2} />;
  if (rules.state === 'failed') return <ErrorState error={rules.error} what="the policies" onRetry={rules.retry} />;
  return (
    <>
      {rules.expired.length === 0 ? null : (
        <Alert isInline variant="info" title={`Expired and no longer applied: ${rules.expired.join(', ')}`} component="p" />
      )}
      {rules.governance === undefined ? null : <OfNamespace governance={rules.governance} choice={choice} />}
    </>
  );
};

interface OfNamespaceProps {
  readonly governance: NamespaceGovernance;
  readonly choice: RuleChoice;
}

const OfNamespace = ({ governance, choice }: OfNamespaceProps) => (
  <>
    {governance.fresh ? null : (
      <Alert
        isInline
        variant="warning"
        title={`Cluster ${choice.cluster} is not connected, not observed or does not exist: the policies shown are the last known ones.`}
        component="p"
      />
    )}
    {governance.unreported.length === 0 ? null : (
      <Alert
        isInline
        variant="warning"
        title={`Ignored, because the cluster has not reported them yet: ${governance.unreported.join(', ')}`}
        component="p"
      />
    )}
    {governance.governing.length > 0 ? null : (
      <Alert isInline variant="info" title={`No policy governs namespace ${choice.namespace} of cluster ${choice.cluster}.`} component="p">
        A namespace or cluster that does not exist is not governed either.
      </Alert>
    )}
  </>
);

const Problems = ({ pasted, onShow }: { readonly pasted: PastedWorkloads; readonly onShow: (range: LineRange) => void }) =>
  pasted.problems.length === 0 ? null : (
    <Alert isInline variant="danger" title="Could not be judged" component="h3">
      <ul>
        {pasted.problems.slice(0, 20).map(({ line, reason }) => (
          <li key={`${line} ${reason}`}>
            <Button variant="link" isInline onClick={() => onShow({ from: line, to: line })}>
              Line {line}
            </Button>
            : {reason}
          </li>
        ))}
      </ul>
    </Alert>
  );
