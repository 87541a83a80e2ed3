import {
  Button,
  FormSelect,
  FormSelectOption,
  SearchInput,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core';
import { type ReactNode, useEffect, useRef, useState } from 'react';

const DEBOUNCE_MS = 250;

export interface Filter {
  /** Name of the search parameter. */
  readonly name: string;
  readonly label: string;
  readonly options: readonly { readonly value: string; readonly text: string }[];
}

/** Search parameters by name; undefined = not set. */
export type Values = Readonly<Record<string, string | undefined>>;

interface SearchToolbarProps {
  /** Label of the search field; absent: the list cannot be searched. */
  readonly search?: string;
  readonly filters?: readonly Filter[];
  /** As they stand in the URL; the text searched for is `q`. */
  readonly values: Values;
  /** Gets what changed: the page puts it into the URL. */
  readonly onChange: (changed: Values) => void;
  /** Buttons at the end. */
  readonly children?: ReactNode;
}

/** The field keeps what is typed; the URL follows when the typing pauses, and leads when it changes by itself. */
const SearchField = ({ label, value, onChange }: { label: string; value: string; onChange: (q: string | undefined) => void }) => {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      onChange(text === '' ? undefined : text);
    }, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [text, onChange]);
  return (
    <SearchInput
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(_event, typed) => setText(typed)}
      onClear={() => setText('')}
    />
  );
};

const Choice = ({ filter, values, onChange }: { filter: Filter } & Pick<SearchToolbarProps, 'values' | 'onChange'>) => (
  <FormSelect
    aria-label={filter.label}
    value={values[filter.name] ?? ''}
    onChange={(_event, value) => onChange({ [filter.name]: value === '' ? undefined : value })}
  >
    <FormSelectOption value="" label={`${filter.label}: any`} />
    {filter.options.map(({ value, text }) => (
      <FormSelectOption key={value} value={value} label={`${filter.label}: ${text}`} />
    ))}
  </FormSelect>
);

/** Search and filters of a list, kept in the URL. */
export const SearchToolbar = ({ search, filters = [], values, onChange, children }: SearchToolbarProps) => {
  const names = [...(search === undefined ? [] : ['q']), ...filters.map(({ name }) => name)];
  const isFiltered = names.some((name) => (values[name] ?? '') !== '');
  const change = useRef(onChange);
  change.current = onChange;
  const [setQ] = useState(() => (q: string | undefined) => change.current({ q }));
  return (
    <Toolbar className="fso-toolbar">
      <ToolbarContent>
        {search === undefined ? null : (
          <ToolbarItem>
            <SearchField label={search} value={values['q'] ?? ''} onChange={setQ} />
          </ToolbarItem>
        )}
        <ToolbarGroup variant="filter-group" className="fso-filters">
          {filters.map((filter) => (
            <ToolbarItem key={filter.name}>
              <Choice filter={filter} values={values} onChange={onChange} />
            </ToolbarItem>
          ))}
        </ToolbarGroup>
        {isFiltered ? (
          <ToolbarItem>
            <Button variant="link" onClick={() => onChange(Object.fromEntries(names.map((name) => [name, undefined])))}>
              Clear all filters
            </Button>
          </ToolbarItem>
        ) : null}
        {children === undefined ? null : <ToolbarGroup align={{ default: 'alignEnd' }}>{children}</ToolbarGroup>}
      </ToolbarContent>
    </Toolbar>
  );
};
