import { CodeBlock, CodeBlockAction, CodeBlockCode, Content, FormSelect, FormSelectOption } from '@patternfly/react-core';
import { useMemo, useState } from 'react';
import { CopyButton } from '../../../components/buttons.tsx';
import { compactDiff } from '../../../lib/text-diff.ts';
import type { RegionRule } from './decide.ts';
import { fixRegions, planFix } from './fix.ts';
import type { Workload } from './workloads.ts';

interface FixViewProps {
  readonly workload: Workload;
  readonly violation: string;
  readonly rules: readonly RegionRule[];
}

const SIGNS = { added: '+', removed: '-', same: ' ', gap: ' ' } as const;
const SPOKEN = { added: 'Added: ', removed: 'Removed: ', same: '', gap: 'Lines left out' } as const;

/** The change that mends a workload, and the whole of it to copy. */
export const FixView = ({ workload, violation, rules }: FixViewProps) => {
  const regions = useMemo(() => fixRegions(workload.placement, rules), [workload, rules]);
  const [chosen, setChosen] = useState('');
  const region = regions.includes(chosen) ? chosen : regions[0];
  if (region === undefined) return <Content component="p">No region is allowed. Ask the owners of the policies.</Content>;
  return (
    <>
      {regions.length > 1 ? (
        <FormSelect aria-label="Region that the fix confines it to" value={region} onChange={(_event, value) => setChosen(value)}>
          {regions.map((each) => (
            <FormSelectOption key={each} value={each} label={`Confine it to ${each}`} />
          ))}
        </FormSelect>
      ) : null}
      <Change workload={workload} violation={violation} rules={rules} region={region} />
    </>
  );
};

const Change = ({ workload, violation, rules, region }: FixViewProps & { readonly region: string }) => {
  const fix = useMemo(() => planFix(workload, { region, violation, rules }), [workload, violation, rules, region]);
  const lines = useMemo(() => compactDiff(fix.before, fix.after), [fix]);
  return (
    <>
      <CodeBlock
        actions={
          <CodeBlockAction>
            <CopyButton variant="link" text={fix.after} label="Copy the document with the change" />
          </CodeBlockAction>
        }
      >
        <CodeBlockCode>
          {lines.map(({ kind, text, key }) => (
            <span key={key} className={`fso-code-line fso-diff-${kind}`}>
              <span aria-hidden>{SIGNS[kind]} </span>
              <span className="pf-v6-screen-reader">{SPOKEN[kind]}</span>
              {text}
            </span>
          ))}
        </CodeBlockCode>
      </CodeBlock>
      {fix.also.map((line) => (
        <Content component="small" key={line}>
          {line.charAt(0).toUpperCase()}
          {line.slice(1)}.
        </Content>
      ))}
      <Content component="small" className="fso-muted">
        {fix.isEnough
          ? 'With this change, every policy that applies admits it.'
          : 'The policies that apply have no region in common; this change satisfies only the strongest one.'}
      </Content>
    </>
  );
};
