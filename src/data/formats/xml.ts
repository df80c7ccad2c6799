/** @file The elements of a simple XML file. Declarations of types and entities, where XML's dangers live, are refused. */

import { PixelwiseError } from '../../errors.js';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** What stands directly in it, trimmed. */
  readonly text: string;
}

interface Open extends XmlElement {
  readonly children: XmlElement[];
  text: string;
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const maxDepth = 64;

const token =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([\w:.-]+)((?:[^<>"']|"[^"]*"|'[^']*')*)>|[^<]+|</g;
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/**
 * The root element of an XML text.
 *
 * @param file how errors call it.
 * @throws `ERR_FORMAT` for text that is not well formed, nested more than 64 deep, or declares a document type.
 */
export function parseXml(text: string, file: string): XmlElement {
  const fail = (reason: string): PixelwiseError =>
    new PixelwiseError('ERR_FORMAT', `Cannot read '${file}': ${reason}. Export it again.`, { subject: file });
  const root: Open = { name: '', attributes: {}, children: [], text: '' };
  const open: Open[] = [root];
  for (const [whole, cdata, closing, name, rest = ''] of text.replace(/^\uFEFF/, '').matchAll(token)) {
    const current = open.at(-1) as Open;
    if (cdata !== undefined) current.text += cdata;
    else if (name === undefined) {
      if (whole === '<') throw fail('it is not well formed XML, cut short, or declares a document type');
      if (!whole.startsWith('<')) current.text += decode(whole);
    } else if (closing) {
      if (open.length < 2 || current.name !== name) throw fail(`it closes <${name}> where <${current.name}> is open`);
      current.text = current.text.trim();
      open.pop();
    } else {
      const pairs = [...rest.matchAll(attribute)].map(([, key, a, b]) => [key, decode(a ?? b ?? '')] as const);
      const element: Open = { name, attributes: Object.fromEntries(pairs), children: [], text: '' };
      current.children.push(element);
      if (!rest.endsWith('/')) open.push(element);
      if (open.length > maxDepth) throw fail(`it is nested more than ${maxDepth} deep`);
    }
  }
  const [element] = root.children;
  if (open.length > 1) throw fail(`it ends while <${open.at(-1)?.name}> is open: it is cut short`);
  if (!element || root.children.length > 1) throw fail('it is not XML with one root element');
  return element;
}

function decode(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,8}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[name as string] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The children of a name. */
export const childrenOf = (element: XmlElement | undefined, name: string): XmlElement[] =>
  (element?.children ?? []).filter((child) => child.name === name);
