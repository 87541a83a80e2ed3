import { policyKey } from '@fso/shared/api';
import { FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { clustersQuery, policiesQuery, violationGroupsQuery } from '../../../api/queries.ts';
import { CLUSTER_FILTER, type Filter, NAMESPACE_FILTER, problemOf } from '../../../lib/filters.ts';
import { rowsOf } from '../../../lib/paged-list.ts';
import { useDebouncedText } from '../../../lib/use-debounced-text.ts';
import type { RuleChoice } from './use-rules.ts';

type Changed = Readonly<Partial<Record<'by' | 'policy' | 'cluster' | 'namespace' | 'regions', string | undefined>>>;

interface GovernanceFormProps {
  readonly choice: RuleChoice;
  readonly onChange: (changed: Changed) => void;
}

interface FieldProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string | undefined;
  readonly options: readonly string[];
  /** Filter whose schema the text must match; absent if every text is valid. */
  readonly checked?: Filter;
  readonly onChange: (value: string | undefined) => void;
}

const Field = ({ label, placeholder, value, options, checked, onChange }: FieldProps) => {
  const id = useId();
  const { text, setText, problem } = useDebouncedText(value ?? '', {
    onPause: onChange,
    problemOf: (typed) => (checked === undefined ? undefined : problemOf(checked, typed)),
  });
  return (
    <FormGroup label={label} fieldId={id}>
      <TextInput
        id={id}
        placeholder={placeholder}
        value={text}
        list={`${id}-list`}
        onChange={(_event, typed) => setText(typed)}
        {...(problem === undefined ? {} : { validated: 'error', 'aria-describedby': `${id}-problem` })}
      />
      <datalist id={`${id}-list`}>
        {options.map((option) => (
          <option key={option} value={option} />
        ))}
      </datalist>
      {problem === undefined ? null : (
        <FormHelperText>
          <HelperText id={`${id}-problem`} isLiveRegion>
            <HelperTextItem variant="error">{problem}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
};

const PolicyField = ({ choice, onChange }: GovernanceFormProps) => {
  const { data } = useInfiniteQuery({ ...policiesQuery({ q: choice.policy, limit: 50 }), placeholderData: keepPreviousData });
  const options = rowsOf(data).map(policyKey);
  return (
    <Field
      label="Policy"
      placeholder="Type a part of its name"
      value={choice.policy}
      options={options}
      onChange={(policy) => onChange({ policy })}
    />
  );
};

const NamespaceFields = ({ choice, onChange }: GovernanceFormProps) => {
  const { cluster, namespace } = choice;
  const clusters = useInfiniteQuery({ ...clustersQuery({ q: cluster, limit: 50 }), placeholderData: keepPreviousData });
  const groups = useInfiniteQuery({
    ...violationGroupsQuery({ by: 'namespace', q: `${cluster}/`, limit: 100 }),
    enabled: cluster !== undefined,
  });
  return (
    <>
      <Field
        label="Cluster"
        placeholder="Type a part of its name"
        value={cluster}
        checked={CLUSTER_FILTER}
        options={rowsOf(clusters.data).map(({ name }) => name)}
        onChange={(next) => onChange({ cluster: next })}
      />
      <Field
        label="Namespace"
        placeholder="Its whole name"
        value={namespace}
        checked={NAMESPACE_FILTER}
        options={rowsOf(groups.data).map(({ key }) => key.slice(key.indexOf('/') + 1))}
        onChange={(next) => onChange({ namespace: next })}
      />
    </>
  );
};

const WAYS = [
  { by: 'policy', text: 'A policy' },
  { by: 'namespace', text: 'A namespace of a cluster' },
  { by: 'regions', text: 'Regions' },
] as const;

/** Form to choose the policies or regions that judge the pasted text. */
export const GovernanceForm = (props: GovernanceFormProps) => {
  const { choice, onChange } = props;
  return (
    <>
      <ToggleGroup aria-label="Judged by">
        {WAYS.map(({ by, text }) => (
          <ToggleGroupItem
            key={by}
            text={text}
            buttonId={`judged-by-${by}`}
            isSelected={choice.by === by}
            onChange={() => onChange({ by })}
          />
        ))}
      </ToggleGroup>
      {choice.by === 'policy' ? <PolicyField {...props} /> : null}
      {choice.by === 'namespace' ? <NamespaceFields {...props} /> : null}
      {choice.by === 'regions' ? (
        <Field
          label="Allowed regions"
          placeholder="eu-central-1, eu-west-1"
          value={choice.regions}
          options={[]}
          onChange={(regions) => onChange({ regions })}
        />
      ) : null}
    </>
  );
};
