import {
  Button,
  FormSelect,
  FormSelectOption,
  SearchInput,
  TextInput,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
  ToolbarToggleGroup,
} from '@patternfly/react-core';
import FilterIcon from '@patternfly/react-icons/dist/esm/icons/filter-icon';
import { type ReactNode, useId } from 'react';
import { useTyped } from './use-typed.ts';

export interface Filter {
  /** Name of the search parameter. */
  readonly name: string;
  readonly label: string;
  /** What can be chosen; absent: it is typed, whole. */
  readonly options?: readonly { readonly value: string; readonly text: string }[];
  /** What is offered while it is typed. */
  readonly suggestions?: readonly string[];
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

type ChangeProps = Pick<SearchToolbarProps, 'values' | 'onChange'>;

const SearchField = ({ label, values, onChange }: { readonly label: string } & ChangeProps) => {
  const [text, setText] = useTyped(values['q'] ?? '', (q) => onChange({ q }));
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

type FieldProps = { readonly filter: Filter } & ChangeProps;

const Choice = ({ filter, values, onChange }: FieldProps) => (
  <FormSelect
    aria-label={filter.label}
    value={values[filter.name] ?? ''}
    onChange={(_event, value) => onChange({ [filter.name]: value === '' ? undefined : value })}
  >
    <FormSelectOption value="" label={`${filter.label}: any`} />
    {(filter.options ?? []).map(({ value, text }) => (
      <FormSelectOption key={value} value={value} label={`${filter.label}: ${text}`} />
    ))}
  </FormSelect>
);

const Typed = ({ filter, values, onChange }: FieldProps) => {
  const { name, label, suggestions = [] } = filter;
  const list = useId();
  const [text, setText] = useTyped(values[name] ?? '', (typed) => onChange({ [name]: typed }));
  return (
    <>
      <TextInput aria-label={label} placeholder={`${label}: any`} value={text} list={list} onChange={(_event, typed) => setText(typed)} />
      <datalist id={list}>
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
    </>
  );
};

/** On a narrow screen the filters fold away behind a button. */
const Filters = ({ filters, ...change }: { readonly filters: readonly Filter[] } & ChangeProps) => (
  <ToolbarToggleGroup toggleIcon={<FilterIcon />} breakpoint="md">
    <ToolbarGroup variant="filter-group" className="fso-filters">
      {filters.map((filter) => (
        <ToolbarItem key={filter.name}>
          {filter.options === undefined ? <Typed filter={filter} {...change} /> : <Choice filter={filter} {...change} />}
        </ToolbarItem>
      ))}
    </ToolbarGroup>
  </ToolbarToggleGroup>
);

/** Search and filters of a list, kept in the URL. */
export const SearchToolbar = ({ search, filters = [], values, onChange, children }: SearchToolbarProps) => {
  const names = [...(search === undefined ? [] : ['q']), ...filters.map(({ name }) => name)];
  const isFiltered = names.some((name) => (values[name] ?? '') !== '');
  return (
    <Toolbar className="fso-toolbar">
      <ToolbarContent>
        {search === undefined ? null : (
          <ToolbarItem>
            <SearchField label={search} values={values} onChange={onChange} />
          </ToolbarItem>
        )}
        {filters.length === 0 ? null : <Filters filters={filters} values={values} onChange={onChange} />}
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
