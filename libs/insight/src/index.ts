/**
 * What traces say, gathered up for drawing, for the command and the page alike: densities, heat maps, overlays, comparisons; and numbers as
 * both show them. Pure functions.
 */
export * from './comparison.js';
export * from './csv.cells.js';
export * from './kept.density.js';
export * from './kept.heat.js';
export * from './prompt.pieces.js';
export * from './trace.view.js';
export * from './units.js';
