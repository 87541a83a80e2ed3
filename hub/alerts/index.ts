export type { Issue } from './issue.ts';
