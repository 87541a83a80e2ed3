import fc from 'fast-check';

/** Part of a structural schema (JSONSchemaProps) that decides which values are admitted. */
export interface StructuralSchema {
  readonly type?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly items?: StructuralSchema;
}

/**
 * Whether the API server accepts a text as `format: date-time` (`IsDateTime` in
 * k8s.io/kube-openapi/pkg/validation/strfmt).
 */
const isGoDateTime = (text: string): boolean => {
  const [date = '', time] = text.toLowerCase().split('t');
  const day = new Date(`${date}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) return false;
  const clock = /^(\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:z|[+-]\d{2}:\d{2})$/.exec(time ?? '');
  return clock !== null && Number(clock[1]) <= 23 && Number(clock[2]) <= 59 && Number(clock[3]) <= 59;
};

const twoDigits = (max: number): fc.Arbitrary<string> => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'));

/**
 * Times of every kind: leap days, hours that do not exist, long fractions, offsets that no place
 * has.
 */
const times: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(fc.constantFrom('0000', '0001', '1900', '2000', '9999'), fc.integer({ min: 2020, max: 2040 }).map(String)),
    twoDigits(13),
    twoDigits(32),
    fc.tuple(twoDigits(25), twoDigits(61), twoDigits(61)).map((parts) => parts.join(':')),
    fc.constantFrom('', '.1', '.123456789', `.${'9'.repeat(30)}`),
    fc.oneof(
      fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+23:59', '+24:00', '+99:99', '-12:60'),
      fc.tuple(twoDigits(99), twoDigits(99)).map(([h, m]) => `+${h}:${m}`),
    ),
  )
  .map(([year, month, day, clock, fraction, zone]) => `${year}-${month}-${day}T${clock}${fraction}${zone}`);

/** Longest generated string if a schema sets no bound, or a very large one. */
const MAX_LENGTH = 400;

const isAdmitted = ({ pattern, format, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: StructuralSchema, text: string): boolean =>
  text.length >= minLength &&
  text.length <= maxLength &&
  (pattern === undefined || new RegExp(pattern).test(text)) &&
  (format !== 'date-time' || isGoDateTime(text));

const stringOf = (schema: StructuralSchema): fc.Arbitrary<string> => {
  const { pattern, format, minLength = 0 } = schema;
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (format === 'date-time') return times.filter((text) => isAdmitted(schema, text));
  const max = Math.min(schema.maxLength ?? MAX_LENGTH, MAX_LENGTH);
  // As long as the schema allows, since the bounds of two schemas differ there.
  const long = fc.integer({ min: Math.max(minLength, max - 6), max }).map((length) => 'a'.repeat(length));
  const short =
    pattern === undefined
      ? fc.string({ minLength, maxLength: Math.min(max, minLength + 20), unit: 'binary' })
      : fc.stringMatching(new RegExp(pattern));
  return fc.oneof({ weight: 1, arbitrary: long }, { weight: 3, arbitrary: short }).filter((text) => isAdmitted(schema, text));
};

const objectOf = ({ properties = {}, required = [] }: StructuralSchema): fc.Arbitrary<unknown> => {
  const model = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema)]));
  return fc.record(model, { requiredKeys: [...required] });
};

/** Generates values that the API server admits under a structural schema. CEL rules are ignored. */
export const valuesOf = (schema: StructuralSchema): fc.Arbitrary<unknown> => {
  const { minItems = 0, maxItems = minItems + 3, minimum = -5 } = schema;
  switch (schema.type) {
    case 'object':
      return objectOf(schema);
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) });
    case 'string':
      return stringOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: minimum, max: 1_000 });
    default:
      throw new Error(`no values of type ${String(schema.type)}`);
  }
};
