/** Limits of one filter or order. docs/limits.md lists the same rows; a test compares both ways. */
export const filterLimits = {
  /** Characters (Unicode code points) of a text. */
  maxCharacters: 4_096,
  /** Parentheses open at once. Parser and predicate call themselves no deeper than this. */
  maxDepth: 32,
  /** Comparisons in one filter: what one record may cost. */
  maxComparisons: 128,
  /** Fields in one order. */
  maxOrderFields: 8,
} as const;
