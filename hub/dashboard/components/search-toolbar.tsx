import {
  Button,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Label,
  SearchInput,
  TextInput,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
  ToolbarToggleGroup,
} from '@patternfly/react-core';
import FilterIcon from '@patternfly/react-icons/dist/esm/icons/filter-icon';
import { useId } from 'react';
import { cleared, type Filter, isAnySet, problemOf, type Values } from '../lib/filters.ts';
import { useDebouncedText } from '../lib/use-debounced-text.ts';

export interface SearchToolbarProps {
  /** Label of the search field; absent if the list cannot be searched. */
  readonly search?: string;
  readonly filters?: readonly Filter[];
  /** Names of filters outside of the toolbar, which are cleared with its own. */
  readonly besides?: readonly string[];
  /** Values in the URL; `q` is the search text. */
  readonly values: Values;
  /** Called with the changed values, to be put into the URL. */
  readonly onChange: (changed: Values) => void;
}

/** Longest text of a field without a schema: the hub's limit for a search. */
const MAX_LENGTH = 253;

type ChangeProps = Pick<SearchToolbarProps, 'values' | 'onChange'>;

const SearchField = ({ label, values, onChange }: { readonly label: string } & ChangeProps) => {
  const { text, setText } = useDebouncedText(values['q'] ?? '', { onPause: (q) => onChange({ q }) });
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
  const { name, label, suggestions = [], schema } = filter;
  const id = useId();
  const { text, setText, problem } = useDebouncedText(values[name] ?? '', {
    onPause: (typed) => onChange({ [name]: typed }),
    problemOf: (typed) => problemOf(filter, typed),
  });
  return (
    <>
      <TextInput
        aria-label={label}
        placeholder={`${label}: any`}
        value={text}
        list={`${id}-list`}
        maxLength={schema?.maxLength ?? MAX_LENGTH}
        onChange={(_event, typed) => setText(typed)}
        {...(problem === undefined ? {} : { validated: 'error', 'aria-describedby': `${id}-problem` })}
      />
      <datalist id={`${id}-list`}>
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
      {problem === undefined ? null : (
        <HelperText id={`${id}-problem`} className="fso-filter-problem" isLiveRegion>
          <HelperTextItem variant="error">{problem}</HelperTextItem>
        </HelperText>
      )}
    </>
  );
};

/** Filter that a link has set, to a value that cannot be chosen here. */
const Linked = ({ filter: { name, label }, values, onChange }: FieldProps) => (
  <Label onClose={() => onChange({ [name]: undefined })} closeBtnAriaLabel={`Remove the filter ${label}: ${values[name]}`}>
    {label}: {values[name]}
  </Label>
);

const Field = (props: FieldProps) => {
  if (props.filter.options !== undefined) return <Choice {...props} />;
  return props.filter.isLinked ? <Linked {...props} /> : <Typed {...props} />;
};

/** Filters of a list. On a narrow screen a button shows and hides them. */
const Filters = ({ filters, ...change }: { readonly filters: readonly Filter[] } & ChangeProps) => (
  <ToolbarToggleGroup toggleIcon={<FilterIcon />} breakpoint="md">
    <ToolbarGroup variant="filter-group" className="fso-filters">
      {filters
        .filter(({ name, isLinked }) => !isLinked || isAnySet([name], change.values))
        .map((filter) => (
          <ToolbarItem key={filter.name}>
            <Field filter={filter} {...change} />
          </ToolbarItem>
        ))}
    </ToolbarGroup>
  </ToolbarToggleGroup>
);

/** Search and filters of a list, kept in the URL. */
export const SearchToolbar = ({ search, filters = [], besides = [], values, onChange }: SearchToolbarProps) => {
  const names = [...(search === undefined ? [] : ['q']), ...filters.map(({ name }) => name), ...besides];
  return (
    <Toolbar className="fso-toolbar">
      <ToolbarContent>
        {search === undefined ? null : (
          <ToolbarItem>
            <SearchField label={search} values={values} onChange={onChange} />
          </ToolbarItem>
        )}
        {filters.length === 0 ? null : <Filters filters={filters} values={values} onChange={onChange} />}
        {isAnySet(names, values) ? (
          <ToolbarItem>
            <Button variant="link" onClick={() => onChange(cleared(names))}>
              Clear all filters
            </Button>
          </ToolbarItem>
        ) : null}
      </ToolbarContent>
    </Toolbar>
  );
};
