import './silence.css';
import type { SilenceView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import {
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextArea,
  TextInput,
} from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, type SubmitEvent, useId, useState } from 'react';
import { createSilence } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { exactTime, localOf } from '../../lib/time.ts';
import { Dialog } from '../dialog.tsx';
import { showToast } from '../toasts.tsx';
import { MatcherFields, type MatcherRow } from './matcher-fields.tsx';
import { checkSilence, isSilenceLength, LENGTHS, type MatcherDraft, type SilenceDraft } from './silence-draft.ts';

/** Longest reason that the API accepts. */
const MAX_REASON = 512;
const EXACT = 'exact';
const HOUR_MS = 3_600_000;

/** Value of a datetime-local field for an hour from now, to the minute. */
const inAnHour = (): string => localOf(new Date(Date.now() + HOUR_MS).toISOString()).slice(0, -3);

const toastOf = ({ state, from, until, alerts }: SilenceView): string =>
  state === 'pending'
    ? `The maintenance window is set: it begins ${exactTime(Date.parse(from))}`
    : `Silenced until ${exactTime(Date.parse(until))}: ${count(alerts, 'firing alert matches', 'firing alerts match')}`;

interface MomentProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

const Moment = ({ label, value, onChange }: MomentProps) => (
  <TextInput type="datetime-local" aria-label={label} value={value} onChange={(_event, text) => onChange(text)} />
);

interface FieldProps {
  readonly id: string;
  readonly draft: SilenceDraft;
  readonly onChange: (changed: Partial<SilenceDraft>) => void;
}

const Begin = ({ id, draft: { from }, onChange }: FieldProps) => (
  <FormGroup label="Begins" fieldId={`${id}-from`}>
    <div className="fso-moment">
      <FormSelect
        id={`${id}-from`}
        value={from === undefined ? '' : EXACT}
        onChange={(_event, value) => onChange({ from: value === '' ? undefined : inAnHour() })}
      >
        <FormSelectOption value="" label="Now" />
        <FormSelectOption value={EXACT} label="Later: a maintenance window" />
      </FormSelect>
      {from === undefined ? null : <Moment label="Time of the beginning" value={from} onChange={(value) => onChange({ from: value })} />}
    </div>
  </FormGroup>
);

const End = ({ id, draft: { until }, onChange }: FieldProps) => (
  <FormGroup label="Ends" fieldId={`${id}-until`}>
    <div className="fso-moment">
      <FormSelect
        id={`${id}-until`}
        value={typeof until === 'string' ? until : EXACT}
        onChange={(_event, value) => onChange({ until: isSilenceLength(value) ? value : { at: inAnHour() } })}
      >
        {Object.keys(LENGTHS).map((length) => (
          <FormSelectOption key={length} value={length} label={`After ${length}`} />
        ))}
        <FormSelectOption value={EXACT} label="At a time" />
      </FormSelect>
      {typeof until === 'string' ? null : (
        <Moment label="Time of the end" value={until.at} onChange={(at) => onChange({ until: { at } })} />
      )}
    </div>
  </FormGroup>
);

interface SilenceModalProps {
  /** Initial matchers of the form. */
  readonly matchers: readonly MatcherDraft[];
  readonly onClose: () => void;
}

/** Dialog that silences alerts for a time, now or later. */
export const SilenceModal = ({ matchers, onClose }: SilenceModalProps) => {
  const id = useId();
  const client = useQueryClient();
  const [rows, setRows] = useState<readonly MatcherRow[]>(() => matchers.map((matcher, index) => ({ ...matcher, id: index })));
  const [draft, setDraft] = useState<Omit<SilenceDraft, 'matchers'>>({ from: undefined, until: '2 hours', reason: '' });
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const silence = useMutation({
    mutationFn: createSilence,
    onSuccess: async (made) => {
      showToast({ variant: 'success', title: toastOf(made) });
      onClose();
      await client.invalidateQueries({ queryKey: keys.alerts.all });
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const checked = checkSilence({ ...draft, matchers: rows }, Date.now());
    setProblem('problem' in checked ? checked.problem : undefined);
    if ('request' in checked) silence.mutate(checked.request);
  };
  const fields = {
    id,
    draft: { ...draft, matchers: rows },
    onChange: (changed: Partial<SilenceDraft>) => setDraft({ ...draft, ...changed }),
  };
  return (
    <Dialog
      title="Silence alerts"
      variant="medium"
      submit={{ text: 'Silence', form: `${id}-form`, isPending: silence.isPending }}
      failure={['Not silenced yet', problem ?? silence.error?.message]}
      onClose={onClose}
    >
      <p>What matches is shown as silenced, and nobody is notified of it. What still fires at the end is notified then.</p>
      <Form id={`${id}-form`} onSubmit={submit} className="fso-silence">
        <FormGroup role="group" label="Alerts to which all of these apply" fieldId={`${id}-matchers`}>
          <MatcherFields rows={rows} onChange={setRows} />
        </FormGroup>
        <Begin {...fields} />
        <End {...fields} />
        <Reason {...fields} />
      </Form>
    </Dialog>
  );
};

const Reason = ({ id, draft: { reason }, onChange }: FieldProps): ReactNode => (
  <FormGroup label="Reason" fieldId={`${id}-reason`} isRequired>
    <TextArea
      id={`${id}-reason`}
      value={reason}
      maxLength={MAX_REASON}
      resizeOrientation="vertical"
      aria-describedby={`${id}-reason-note`}
      onChange={(_event, text) => onChange({ reason: text })}
    />
    <FormHelperText>
      <HelperText id={`${id}-reason-note`}>
        <HelperTextItem>It stands beside the silence and in the audit log.</HelperTextItem>
      </HelperText>
    </FormHelperText>
  </FormGroup>
);
