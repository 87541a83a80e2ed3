import { FormSelect, FormSelectOption, InputGroup, InputGroupItem, InputGroupText, TextInput } from '@patternfly/react-core';
import { useState } from 'react';
import type { Values } from '../../lib/filters.ts';
import { localOf, type Period, SPAN_TEXTS, SPANS, timeOf } from './period.ts';

interface PeriodFilterProps {
  readonly period: Period;
  readonly onChange: (changed: Values) => void;
}

const EXACT = 'exact';

/** When: a span up to now, or exact times in the time zone of the browser. */
export const PeriodFilter = ({ period, onChange }: PeriodFilterProps) => {
  const { span, since, until } = period;
  const [wasChosen, setChosen] = useState(false);
  const isExact = span === undefined && (wasChosen || (since ?? until) !== undefined);
  const choose = (value: string): void => {
    setChosen(value === EXACT);
    onChange({ span: value === EXACT || value === '' ? undefined : value, since: undefined, until: undefined });
  };
  return (
    <div className="fso-period">
      <FormSelect aria-label="Time" value={isExact ? EXACT : (span ?? '')} onChange={(_event, value) => choose(value)}>
        <FormSelectOption value="" label="Time: any" />
        {SPANS.map((each) => (
          <FormSelectOption key={each} value={each} label={SPAN_TEXTS[each]} />
        ))}
        <FormSelectOption value={EXACT} label="Exact times" />
      </FormSelect>
      {isExact ? (
        <>
          <Moment label="From" time={since} onChange={(time) => onChange({ since: time, span: undefined })} />
          <Moment label="To" time={until} onChange={(time) => onChange({ until: time, span: undefined })} />
        </>
      ) : null}
    </div>
  );
};

interface MomentProps {
  readonly label: string;
  readonly time: string | undefined;
  readonly onChange: (time: string | undefined) => void;
}

/** What is being typed stands until the field is left; then the URL says what it holds. */
const Moment = ({ label, time, onChange }: MomentProps) => {
  const [typed, setTyped] = useState<string | null>(null);
  const leave = (): void => {
    if (typed === null) return;
    setTyped(null);
    if (typed !== localOf(time)) onChange(timeOf(typed));
  };
  return (
    <InputGroup>
      <InputGroupText>{label}</InputGroupText>
      <InputGroupItem isFill>
        <TextInput
          type="datetime-local"
          step={1}
          aria-label={label}
          value={typed ?? localOf(time)}
          onChange={(_event, text) => setTyped(text)}
          onBlur={leave}
        />
      </InputGroupItem>
    </InputGroup>
  );
};
