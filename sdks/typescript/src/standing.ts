/** Whether the sidecar takes this client's records. One that refuses says so only behind what it was sent meanwhile. */
export class Standing {
  #isWelcome = false;
  #unsure = 0;
  /** Whether the sidecar refused this client, and has not welcomed it since. */
  isRefused = false;
  /** Whether it did so on this connection, which it reads no more. */
  isOver = false;

  /** A new connection. */
  begin(): void {
    this.#isWelcome = false;
    this.#unsure = 0;
    this.isOver = false;
  }

  /** A record was sent. */
  sent(): void {
    if (!this.#isWelcome) this.#unsure++;
  }

  welcome(): void {
    this.#isWelcome = true;
    this.isRefused = false;
  }

  /** How many records, sent on this connection, are not taken. */
  refuse(): number {
    const unsure = this.#unsure;
    this.isRefused = true;
    this.isOver = true;
    this.#unsure = 0;
    return unsure;
  }
}
