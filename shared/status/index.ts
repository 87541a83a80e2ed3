export * from './baseline.ts';
export * from './deviation.ts';
export * from './deviation-texts.ts';
export * from './expected.ts';
export * from './listed-policy.ts';
