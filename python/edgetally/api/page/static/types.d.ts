/** The answer of `GET /top/{service_id}`: see docs/api.md. */

/** Per second, minute, hour or day, oldest first; null where nothing is known. */
export type Series = (number | null)[];

export interface Sum {
  now: number[];
  before: number[];
}

export interface All extends Sum {
  series: Record<string, Series>;
}

export interface Row extends All {
  name: string;
  silent: boolean;
  /** Of each POP of the answer: requests (or responses), and 5xx. */
  pops: [number, number][];
}

export interface Rest extends Sum {
  names: number;
}

export interface Pop extends Sum {
  name: string;
}

export type Fields = Record<string, number>;

export interface FocusPart {
  name: string;
  now: Fields;
  before: Fields;
  series: Record<string, Series>;
}

export interface Focus extends FocusPart {
  pops: FocusPart[];
  addresses?: FocusPart[];
}

export interface Ranking {
  service: string;
  of: "domains" | "origins";
  by: string;
  second: number;
  Timestamp: number;
  AggregateDelay: number;
  since: number;
  window: number;
  ago: number;
  /** Seconds. */
  known: { now: number; before: number };
  columns: string[];
  all: All;
  rows: Row[];
  rest: Rest;
  pops: Pop[];
  focus: Focus | null;
  late: number;
  overflowed: number;
  other: number;
  invalid: number;
  rejected?: number;
  /** The newest second that was known when it came: the page adds it. */
  newest?: number;
}

/** What is looked at: all of it stands in the address. */
export interface Look {
  service: string;
  of: "domains" | "origins";
  by: string;
  pop: string;
  match: string;
  focus: string;
  /** 0: the newest second. */
  at: number;
  /** What the strip is made of. */
  downsample: "second" | "minute" | "hour" | "day";
}

export interface Condition {
  name: "starting" | "live" | "idle" | "frozen" | "stale" | "offline" | "refused" | "gone" | "connecting";
  text: string;
}
