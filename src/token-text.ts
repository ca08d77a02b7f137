/** Whether a text may be the token of readers: what `Authorization: Bearer` can carry (RFC 6750), and hard to guess. */
export const isToken = (text: string): boolean => /^[A-Za-z0-9._~+/-]{32,128}=*$/.test(text);

/** Most bytes that one takes, with a newline behind it. */
export const MAX_TOKEN_BYTES = 132;
