import type { ProblemView } from '@fso/shared/api';
import { placeOf } from '../lib/problem-place.ts';

/** Why a commit was refused: file, line and column where there are, and the reason in words. */
export const ProblemList = ({ problems }: { readonly problems: readonly ProblemView[] }) => (
  <ul className="fso-problems">
    {problems.map((problem) => {
      const place = placeOf(problem);
      return (
        <li key={`${place} ${problem.code ?? ''} ${problem.reason}`}>
          {place === '' ? null : <code>{place}</code>}{' '}
          {problem.code === undefined ? null : <code className="fso-muted">{problem.code}</code>} {problem.reason}
        </li>
      );
    })}
  </ul>
);
