import type { ProblemView } from '@fso/shared/api';

/** @returns `policies/finance.yaml:12:3`, as editors and compilers write it; `` where it is of no file */
export const placeOf = ({ path, line, column }: Pick<ProblemView, 'path' | 'line' | 'column'>): string =>
  path === undefined ? '' : [path, line, column].filter((part) => part !== undefined).join(':');
