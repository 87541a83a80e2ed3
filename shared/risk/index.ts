export { injectRegions } from './inject.ts';
export { judgeTemplate, type TemplateJudgement, type TemplateQuestion } from './judge.ts';
export type { NodeFacts, PodTemplate, Taint, Toleration } from './template.ts';
