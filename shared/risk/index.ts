export { injectRegions } from './inject.ts';
export { judgeTemplate, refusalOf, type TemplateJudgement, type TemplateQuestion } from './judge.ts';
export type { NodeFacts, PodTemplate, Taint, Toleration } from './template.ts';
