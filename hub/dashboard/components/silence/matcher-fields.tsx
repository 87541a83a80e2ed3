import { ALERT_NAMES, ALERT_SEVERITIES } from '@fso/shared/api';
import { Button, FormSelect, FormSelectOption, TextInput } from '@patternfly/react-core';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import PlusCircleIcon from '@patternfly/react-icons/dist/esm/icons/plus-circle-icon';
import { useId } from 'react';
import { MATCHED_LABELS, type MatchedLabel, type MatcherDraft, type MatchOperator, NO_MATCHERS, OPERATORS } from './silence-draft.ts';

/** Limits of the API. */
const MAX_MATCHERS = 16;
const MAX_VALUE = 253;

/** A matcher with the id of its row. */
export interface MatcherRow extends MatcherDraft {
  readonly id: number;
}

const SUGGESTIONS: Partial<Readonly<Record<MatchedLabel, readonly string[]>>> = { name: ALERT_NAMES, severity: ALERT_SEVERITIES };

interface MatcherFieldProps {
  readonly row: MatcherRow;
  /** Position of the row, from 1. */
  readonly number: number;
  readonly onChange: (row: MatcherRow) => void;
  readonly onRemove: () => void;
}

const MatcherField = ({ row, number, onChange, onRemove }: MatcherFieldProps) => {
  const list = useId();
  return (
    <div className="fso-matcher">
      <FormSelect
        aria-label={`Label of matcher ${number}`}
        value={row.label}
        onChange={(_event, label) => onChange({ ...row, label: label as MatchedLabel })}
      >
        {MATCHED_LABELS.map((label) => (
          <FormSelectOption key={label} value={label} label={label} />
        ))}
      </FormSelect>
      <FormSelect
        aria-label={`Comparison of matcher ${number}`}
        value={row.operator}
        onChange={(_event, operator) => onChange({ ...row, operator: operator as MatchOperator })}
      >
        {Object.entries(OPERATORS).map(([operator, text]) => (
          <FormSelectOption key={operator} value={operator} label={text} />
        ))}
      </FormSelect>
      <TextInput
        aria-label={`Value of matcher ${number}`}
        value={row.value}
        list={list}
        maxLength={MAX_VALUE}
        autoComplete="off"
        spellCheck={false}
        onChange={(_event, value) => onChange({ ...row, value })}
      />
      <datalist id={list}>
        {(SUGGESTIONS[row.label] ?? []).map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
      <Button variant="plain" icon={<MinusCircleIcon />} aria-label={`Remove matcher ${number}`} onClick={onRemove} />
    </div>
  );
};

interface MatcherFieldsProps {
  readonly rows: readonly MatcherRow[];
  readonly onChange: (rows: readonly MatcherRow[]) => void;
}

/** Rows of fields, one for each matcher of a silence. */
export const MatcherFields = ({ rows, onChange }: MatcherFieldsProps) => {
  const nextId = 1 + Math.max(0, ...rows.map(({ id }) => id));
  return (
    <>
      {rows.map((row, index) => (
        <MatcherField
          key={row.id}
          row={row}
          number={index + 1}
          onChange={(changed) => onChange(rows.map((each) => (each.id === row.id ? changed : each)))}
          onRemove={() => onChange(rows.filter(({ id }) => id !== row.id))}
        />
      ))}
      <Button
        variant="link"
        isInline
        icon={<PlusCircleIcon />}
        isDisabled={rows.length >= MAX_MATCHERS}
        onClick={() => onChange([...rows, ...NO_MATCHERS.map((matcher) => ({ ...matcher, id: nextId }))])}
      >
        Add a matcher
      </Button>
    </>
  );
};
