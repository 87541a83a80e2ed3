import type { ClusterHistoryItem, PolicyState, PolicyStateView } from '@fso/shared/api';
import { Button, Form, FormGroup, Label, type LabelProps, Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useId, useState } from 'react';
import { clusterHistoryQuery, policyStateQuery } from '../../../api/queries.ts';
import { Empty, QueryView } from '../../../components/empty-states.tsx';
import { RevisionLink } from '../../../components/links.tsx';
import { PhaseLabel } from '../../../components/state-label.tsx';
import { PlainTable, type PlainTableProps } from '../../../components/tables/plain-table.tsx';
import { exactTime, timeOf } from '../../../lib/time.ts';

interface Place {
  readonly policy: string;
  readonly cluster: string;
}

const VERDICTS: Readonly<Record<PolicyStateView['proven'], { text: string; color: NonNullable<LabelProps['color']> }>> = {
  yes: { text: 'Proven', color: 'green' },
  no: { text: 'Not proven', color: 'red' },
  unknown: { text: 'Not known', color: 'grey' },
};

const StateAtTime = ({ cluster, policy, at }: Place & { readonly at: string }) => (
  <QueryView query={useQuery(policyStateQuery(cluster, policy, at))} what="the answer" lines={1}>
    {({ proven, reason }) => (
      <p role="status">
        <Label color={VERDICTS[proven].color}>{VERDICTS[proven].text}</Label> {reason}
      </p>
    )}
  </QueryView>
);

/** Form that asks whether the policy was proven at a time. */
const Question = (place: Place) => {
  const [typed, setTyped] = useState('');
  const id = useId();
  const at = timeOf(typed);
  return (
    <Form onSubmit={(event) => event.preventDefault()}>
      <FormGroup label="Was it proven at this time?" fieldId={id}>
        <TextInput id={id} type="datetime-local" step={1} value={typed} onChange={(_event, text) => setTyped(text)} />
      </FormGroup>
      {at === undefined ? null : <StateAtTime {...place} at={at} />}
    </Form>
  );
};

const State = ({ phase, conforms, violates, revision }: PolicyState) => (
  <>
    <PhaseLabel phase={phase} /> {conforms ? 'conforms' : null}
    {violates ? 'with violations' : null}
    {revision === null ? null : (
      <div className="fso-muted">
        unchanged since <RevisionLink revision={revision} />
      </div>
    )}
  </>
);

const WHAT: Readonly<Record<ClusterHistoryItem['kind'], string>> = {
  connected: 'Connected',
  disconnected: 'Disconnected',
  observed: 'Observed again',
  notObserved: 'Not observed',
  accepted: 'Commit accepted',
  proven: 'All of a commit proven',
  policy: 'Policy',
  gone: 'Policy not there',
  unknown: 'Policy not known',
  forgotten: 'Nothing known before',
};

const detailOf = ({ kind, revision, state }: ClusterHistoryItem): ReactNode => {
  if (state !== null) return <State {...state} />;
  return kind === 'accepted' || kind === 'proven' ? <RevisionLink revision={revision} /> : null;
};

const COLUMNS: PlainTableProps<ClusterHistoryItem>['columns'] = [
  { title: 'Time', cell: ({ time }) => exactTime(Date.parse(time)) },
  { title: 'What', cell: ({ kind }) => WHAT[kind] },
  { title: 'Detail', isUntitled: true, cell: detailOf },
];

const HistoryModal = ({ policy, cluster, onClose }: Place & { readonly onClose: () => void }) => {
  const id = useId();
  const query = useQuery(clusterHistoryQuery(cluster, policy));
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`}>
      <ModalHeader title={`${policy} in ${cluster}`} labelId={`${id}-title`} />
      <ModalBody id={`${id}-body`}>
        <Question policy={policy} cluster={cluster} />
        <QueryView query={query} what="the history" lines={6}>
          {({ items, next }) => (
            <>
              {items.length === 0 ? (
                <Empty title="Nothing is recorded yet" />
              ) : (
                <PlainTable label="Changes" rows={items} columns={COLUMNS} rowKey={(item) => JSON.stringify(item)} />
              )}
              {next === null ? null : (
                <p className="fso-muted">
                  Older changes: <code>{`fso history ${policy} --cluster ${cluster} --limit 500`}</code>
                </p>
              )}
            </>
          )}
        </QueryView>
      </ModalBody>
    </Modal>
  );
};

/** Button that opens the history of a policy in a cluster. */
export const HistoryButton = (place: Place) => {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button variant="link" isInline onClick={() => setOpen(true)} aria-label={`History in ${place.cluster}`}>
        History
      </Button>
      {isOpen ? <HistoryModal {...place} onClose={() => setOpen(false)} /> : null}
    </>
  );
};
