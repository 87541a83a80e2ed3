import { Alert, Content, FormGroup, TextInput } from '@patternfly/react-core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { type FindingRef, findingKey, parseFindingKey, violationsQuery } from '../../../api/queries.ts';
import { Copyable } from '../../../components/buttons.tsx';
import { listInspectCommands } from '../../../lib/commands.ts';
import { rowsOf } from '../../../lib/paged-list.ts';
import { useDebouncedText } from '../../../lib/use-debounced-text.ts';

interface PickerProps {
  readonly picked: string | undefined;
  readonly onPick: (ref: FindingRef | undefined) => void;
}

/** A workload among the reported violations, found by typing a part of its name. */
export const ViolationPicker = ({ picked, onPick }: PickerProps) => {
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

/** The reason that the agent reports, and the command that prints the object. */
export const PickedViolation = ({ of }: { readonly of: FindingRef }) => {
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
