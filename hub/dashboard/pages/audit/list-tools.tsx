import { count } from '@fso/shared/text';
import { Button, FormSelect, FormSelectOption, InputGroup, InputGroupItem, InputGroupText, TextInput } from '@patternfly/react-core';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/arrow-up-icon';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import { useMemo, useState } from 'react';
import { urlOf } from '../../api/client.ts';
import type { Values } from '../../lib/filters.ts';
import { localOf, timeOf } from '../../lib/time.ts';
import { boundsOf, type Period, SPAN_TEXTS, SPANS } from './period.ts';

interface ExportsProps {
  readonly path: string;
  readonly params: Readonly<Record<string, string | undefined>>;
}

/** Links to exports of all rows that match the filters, including those not shown. */
export const Exports = ({ path, params }: ExportsProps) => (
  <div className="fso-exports">
    {(['jsonl', 'csv'] as const).map((format) => (
      <Button
        key={format}
        component="a"
        variant="secondary"
        size="sm"
        icon={<DownloadIcon />}
        href={urlOf(path, { ...params, format })}
        download
        aria-label={`Export as ${format === 'csv' ? 'CSV' : 'JSON lines'}, with the filters in force`}
      >
        {format === 'csv' ? 'CSV' : 'JSON lines'}
      </Button>
    ))}
  </div>
);

interface NewRowsButtonProps {
  readonly held: number;
  readonly noun: readonly [one: string, many: string];
  readonly onShow: () => void;
}

/** Button that shows the rows that arrived while the user was further down. */
export const NewRowsButton = ({ held, noun, onShow }: NewRowsButtonProps) => (
  <div role="status" className="fso-held">
    {held === 0 ? null : (
      <Button
        variant="secondary"
        size="sm"
        icon={<ArrowUpIcon />}
        onClick={() => {
          onShow();
          document.querySelector('.fso-table')?.scrollTo({ top: 0 });
        }}
      >
        {count(held, `new ${noun[0]}`, `new ${noun[1]}`)}
      </Button>
    )}
  </div>
);

interface PeriodFilterProps {
  readonly period: Period;
  readonly onChange: (changed: Values) => void;
}

const EXACT = 'exact';

/** Filter by time: a span until now, or exact times in the time zone of the browser. */
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

/** Time field. The URL follows when the field loses focus. */
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

/**
 * Returns the bounds of a period, fixed when it was chosen. A start that moved with the clock would
 * reload the list continuously.
 */
export const useBounds = ({ span, since, until }: Period): Pick<Period, 'since' | 'until'> =>
  useMemo(() => boundsOf({ span, since, until }, Date.now()), [span, since, until]);
